// What happened, in the order of the calls.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "shadow.h"

namespace shadow {

// Names that records carry, each kept once and for good.
class Names {
public:
    std::uint32_t id(const std::string & name);
    const char * text(std::uint32_t id) const;
    const char * demangled(std::uint32_t id);

private:
    std::deque<std::string> texts_;
    std::unordered_map<std::string, std::uint32_t> ids_;
    std::unordered_map<std::uint32_t, std::string> demangled_;
};

// A queue of records with an upper bound. Not thread safe.
class Recorder {
public:
    void add(const llamaproof_record & record);
    std::size_t drain(llamaproof_record * records, std::size_t capacity);
    void reset();
    std::uint64_t dropped() const { return dropped_; }
    std::uint64_t next_sequence() { return ++sequence_; }

private:
    // 144 bytes each: 300 MB when nobody drains.
    static constexpr std::size_t kCapacity = 1 << 21;
    std::deque<llamaproof_record> records_;
    std::uint64_t sequence_ = 0;
    std::uint64_t dropped_ = 0;
};

}  // namespace shadow
