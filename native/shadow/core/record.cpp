#include "core/record.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>

namespace shadow {

std::uint32_t Names::id(const std::string & name) {
    const auto [place, fresh] = ids_.try_emplace(name, static_cast<std::uint32_t>(texts_.size()));
    if (fresh) {
        texts_.push_back(name);
    }
    return place->second;
}

const char * Names::text(std::uint32_t id) const {
    return id < texts_.size() ? texts_[id].c_str() : nullptr;
}

const char * Names::demangled(std::uint32_t id) {
    if (id >= texts_.size()) {
        return nullptr;
    }
    const auto [place, fresh] = demangled_.try_emplace(id);
    if (fresh) {
        int status = 0;
        char * text = abi::__cxa_demangle(texts_[id].c_str(), nullptr, nullptr, &status);
        place->second = status == 0 ? text : texts_[id];
        std::free(text);
    }
    return place->second.c_str();
}

void Recorder::add(const llamaproof_record & record) {
    if (records_.size() < kCapacity) {
        records_.push_back(record);
    } else {
        ++dropped_;
    }
}

std::size_t Recorder::drain(llamaproof_record * records, std::size_t capacity) {
    const std::size_t count = std::min(capacity, records_.size());
    std::copy_n(records_.begin(), count, records);
    records_.erase(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
}

void Recorder::reset() {
    records_.clear();
    records_.shrink_to_fit();
    dropped_ = 0;
}

}  // namespace shadow
