// Control flow of one function: basic blocks, and where divergent lanes meet again.
#pragma once

#include <cstdint>
#include <vector>

#include "ptx.h"

namespace llamaproof::emulator {

struct BasicBlock {
    int first = 0;  // statements [first, last)
    int last = 0;
    std::vector<int> next;  // block indices; the number of blocks stands for the exit
};

struct Flow {
    std::vector<BasicBlock> blocks;
    std::vector<int> block_of;    // by statement; the exit's after the last
    std::vector<int> reconverge;  // by block: the statement where lanes that part at its end meet,
                                  // -1 at the exit

    int reconverge_of(size_t statement) const {
        const auto block = static_cast<size_t>(block_of[statement]);
        return block < reconverge.size() ? reconverge[block] : -1;
    }
};

// Throws ptx::Error for a jump to a label that is not there.
Flow flow_of(const ptx::Function & function);

}  // namespace llamaproof::emulator
