// Control flow of one function: basic blocks, where divergent lanes meet again, which registers
// share a row.
#pragma once

#include <cstdint>
#include <vector>

#include "ptx.h"

namespace llamaproof::emulator {

struct BasicBlock {
    int first = 0;  // statements [first, last)
    int last = 0;
    std::vector<int> next;  // block indices; the number of blocks stands for the exit
    std::vector<int> previous;
};

struct Flow {
    std::vector<BasicBlock> blocks;
    std::vector<int> block_of;    // by statement
    std::vector<int> reconverge;  // by block: the statement where lanes that part at its end meet,
                                  // -1 at the exit
};

// Throws ptx::Error for a jump to a label that is not there.
Flow flow_of(const ptx::Function & function);

// True for `bra`, `brx`, `ret`, `exit`: the statement ends a basic block.
bool ends_block(const ptx::Statement & statement);

// Whether the first operand is written.
bool has_destination(const ptx::Statement & statement);

struct Rows {
    std::vector<uint32_t> offset;  // by register: its row's byte offset; for predicates their index
    uint32_t bytes = 0;
    uint32_t predicates = 0;
};

// Gives each register a row; registers that are never alive together share one.
Rows assign_rows(const ptx::Function & function, const Flow & flow);

}  // namespace llamaproof::emulator
