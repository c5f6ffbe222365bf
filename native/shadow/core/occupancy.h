// How many blocks of a kernel a multiprocessor holds, by NVIDIA's own calculator.
#pragma once

#include <cstdint>

#include "core/device.h"
#include "core/session.h"

namespace shadow {

// What a launch may ask of a kernel on a device.
struct KernelLimits {
    std::uint64_t max_dynamic_shared = 0;  // cudaFuncAttributeMaxDynamicSharedMemorySize
    int carveout = -1;                     // cudaFuncAttributePreferredSharedMemoryCarveout
};

// Blocks resident on one multiprocessor; 0 when not even one fits.
int resident_blocks(const Device & device, const KernelCode & kernel, const KernelLimits & limits,
                    int block_threads, std::uint64_t dynamic_shared);

// The largest block a launch of this kernel may have.
int max_threads_per_block(const Device & device, const KernelCode & kernel);

// Dynamic shared memory a block may have when `blocks` of them are to be resident.
std::uint64_t available_dynamic_shared(const Device & device, const KernelCode & kernel,
                                       const KernelLimits & limits, int blocks, int block_threads);

}  // namespace shadow
