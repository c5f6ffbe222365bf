// The state spaces that atomics and whole matrices name: global, shared, or neither.
#pragma once

#include <cstdint>

#include "decode.h"

namespace llamaproof::emulator {

enum class Where : uint32_t { global, shared, generic };

inline Where take_where(Decoding & d) {
    if (d.take("global")) return Where::global;
    if (d.take("shared") || d.take("shared::cta")) return Where::shared;
    return Where::generic;
}

inline ptx::Space space_of(Where where) {
    switch (where) {
        case Where::global: return ptx::Space::global;
        case Where::shared: return ptx::Space::shared;
        case Where::generic: break;
    }
    return ptx::Space::generic;
}

}  // namespace llamaproof::emulator
