// The counts of a launch, made from the list in llamaproof/counts.def.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace llamaproof::emulator {

// What an instruction is counted as.
enum class InstClass : uint8_t {
#define LLAMAPROOF_CLASS(name) name,
#include "llamaproof/counts.def"
};

inline constexpr const char * class_names[] = {
#define LLAMAPROOF_CLASS(name) #name,
#include "llamaproof/counts.def"
};
inline constexpr size_t class_count = std::size(class_names);

struct Counts {
    std::array<uint64_t, class_count> by_class{};
#define LLAMAPROOF_COUNT(name) uint64_t name = 0;
#include "llamaproof/counts.def"

    void add(const Counts & other);
};

// Each count that is not by class: its name, and where it stands.
struct NamedCount {
    const char * name;
    uint64_t Counts::* value;
};
inline constexpr NamedCount named_counts[] = {
#define LLAMAPROOF_COUNT(name) {#name, &Counts::name},
#include "llamaproof/counts.def"
};

inline void Counts::add(const Counts & other) {
    for (size_t i = 0; i < class_count; ++i) by_class[i] += other.by_class[i];
    for (const NamedCount & count : named_counts) this->*count.value += other.*count.value;
}

}  // namespace llamaproof::emulator
