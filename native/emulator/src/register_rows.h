// Which registers share a row of the warp's register file.
#pragma once

#include <cstdint>
#include <vector>

#include "flow.h"
#include "ptx.h"

namespace llamaproof::emulator {

struct Rows {
    std::vector<uint32_t> offset;  // by register: its row's byte offset; for predicates their index
    uint32_t bytes = 0;
    uint32_t predicates = 0;
};

// Gives each register a row; registers that are never alive together share one.
Rows assign_rows(const ptx::Function & function, const Flow & flow);

}  // namespace llamaproof::emulator
