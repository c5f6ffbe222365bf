// What all matrix instructions share: the whole warp takes part, and the work they ask for is
// counted.
#pragma once

#include "machine.h"

namespace llamaproof::emulator {

// ".aligned" asks for the whole warp; reports the first lane that is missing.
void check_whole(Warp & warp, const Inst & inst, uint32_t mask);

// One matrix instruction: its multiply-adds, the rows of A and the columns of B, and what of them
// has anything but zeros.
struct Product {
    uint64_t macs = 0, macs_used = 0;
    uint64_t rows = 0, rows_used = 0;
    uint64_t columns = 0, columns_used = 0;
};

void count_product(Counts & counts, const Product & product, bool check);

}  // namespace llamaproof::emulator
