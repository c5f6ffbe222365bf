// The GPU that is claimed to be there.
#pragma once

#include <cstdint>
#include <string>

namespace shadow {

// Figures of one card; sizes in bytes. Their sources are in llamaproof/shadow/gpus.json.
struct Device {
    std::string name;
    int sm = 0;  // 89 is compute capability 8.9
    std::uint64_t memory = 0;
    int multiprocessors = 0;
    int max_threads_per_multiprocessor = 0;
    int max_blocks_per_multiprocessor = 0;
    std::uint64_t shared_per_multiprocessor = 0;
    std::uint64_t shared_per_block_optin = 0;
    std::uint64_t reserved_shared_per_block = 0;
    std::uint64_t l2 = 0;
    int clock_khz = 0;
    int memory_clock_khz = 0;
    int memory_bus_bits = 0;
    int integrated = 0;

    // The same on every device from sm_60 to sm_121: CUDA C++ Programming Guide, tables of
    // "Compute Capabilities".
    static constexpr int warp_size = 32;
    static constexpr int max_threads_per_block = 1024;
    static constexpr int max_block[3] = {1024, 1024, 64};
    static constexpr int max_grid[3] = {2147483647, 65535, 65535};
    static constexpr int registers_per_block = 65536;
    static constexpr int registers_per_multiprocessor = 65536;
    static constexpr std::uint64_t shared_per_block = 49152;
    static constexpr std::uint64_t constant_memory = 65536;

    int major() const { return sm / 10; }
    int minor() const { return sm % 10; }
};

}  // namespace shadow
