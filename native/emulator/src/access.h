// Checked access to device and shared memory, lane by lane: used by every instruction that touches
// them.
#pragma once

#include "machine.h"

namespace llamaproof::emulator {

struct Lanes64 {
    alignas(64) uint64_t at[lanes];
};

struct HostLanes {
    uint8_t * at[lanes];
};

// An address register's row (of 4 or 8 bytes; 0 where there is none) plus an offset.
void add_offset(Warp & warp, uint32_t row, uint32_t row_bytes, uint64_t offset, Lanes64 & address);

// Checks `bytes` at each active lane's global address, counts what is touched, and fills the host
// pointers. Returns the lanes whose access is good. `vector` is the alignment asked for.
uint32_t access_global(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address,
                       uint32_t bytes, bool write, HostLanes & host);

// After a store: these bytes are defined from now on.
void mark_global(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address,
                 uint32_t bytes);

enum class SharedUse { read, write, async_begin, async_end };

// The same for offsets in shared memory; with `value` (lane-major, `bytes` each) a write of what is
// there already is no race.
uint32_t access_shared(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address,
                       uint32_t bytes, SharedUse use, const uint8_t * value = nullptr);

// Passes over the banks that the access takes beyond what it needs without conflicts.
void count_banks(Warp & warp, uint32_t mask, const Lanes64 & address, uint32_t bytes);

}  // namespace llamaproof::emulator
