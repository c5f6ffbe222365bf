#include "core/occupancy.h"

#include <algorithm>

#include "core/fatal.h"
#include "cuda_occupancy.h"

namespace shadow {
namespace {

cudaOccDeviceProp properties_of(const Device & device) {
    cudaOccDeviceProp properties;
    properties.computeMajor = device.major();
    properties.computeMinor = device.minor();
    properties.maxThreadsPerBlock = Device::max_threads_per_block;
    properties.maxThreadsPerMultiprocessor = device.max_threads_per_multiprocessor;
    properties.regsPerBlock = Device::registers_per_block;
    properties.regsPerMultiprocessor = Device::registers_per_multiprocessor;
    properties.warpSize = Device::warp_size;
    properties.sharedMemPerBlock = Device::shared_per_block;
    properties.sharedMemPerMultiprocessor = device.shared_per_multiprocessor;
    properties.numSms = device.multiprocessors;
    properties.sharedMemPerBlockOptin = device.shared_per_block_optin;
    properties.reservedSharedMemPerBlock = device.reserved_shared_per_block;
    return properties;
}

cudaOccFuncAttributes attributes_of(const Device & device, const KernelCode & kernel,
                                    const KernelLimits & limits) {
    cudaOccFuncAttributes attributes;
    attributes.maxThreadsPerBlock = max_threads_per_block(device, kernel);
    attributes.numRegs = static_cast<int>(kernel.registers);
    attributes.sharedSizeBytes = kernel.static_shared;
    attributes.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
    attributes.maxDynamicSharedSizeBytes = limits.max_dynamic_shared;
    attributes.numBlockBarriers = 1;
    return attributes;
}

cudaOccDeviceState state_of(const KernelLimits & limits) {
    cudaOccDeviceState state;
    state.carveoutConfig = limits.carveout;
    return state;
}

}  // namespace

int resident_blocks(const Device & device, const KernelCode & kernel, const KernelLimits & limits,
                    int block_threads, std::uint64_t dynamic_shared) {
    const cudaOccDeviceProp properties = properties_of(device);
    const cudaOccFuncAttributes attributes = attributes_of(device, kernel, limits);
    const cudaOccDeviceState state = state_of(limits);
    cudaOccResult result;
    const cudaOccError error = cudaOccMaxActiveBlocksPerMultiprocessor(
        &result, &properties, &attributes, &state, block_threads, dynamic_shared);
    if (error != CUDA_OCC_SUCCESS) {
        fatal("NVIDIA's occupancy calculator does not take sm_" + std::to_string(device.sm) +
              " with " + std::to_string(block_threads) + " threads and " +
              std::to_string(dynamic_shared) + " bytes of shared memory");
    }
    return result.activeBlocksPerMultiprocessor;
}

int max_threads_per_block(const Device & device, const KernelCode & kernel) {
    cudaOccDeviceProp properties = properties_of(device);
    int granularity = 0;
    int partitions = 0;
    if (cudaOccRegAllocationGranularity(&granularity, &properties) != CUDA_OCC_SUCCESS ||
        cudaOccSubPartitionsPerMultiprocessor(&partitions, &properties) != CUDA_OCC_SUCCESS) {
        fatal("NVIDIA's occupancy calculator does not know sm_" + std::to_string(device.sm));
    }
    int threads = Device::max_threads_per_block;
    if (kernel.registers > 0) {
        const int per_warp = static_cast<int>(kernel.registers) * Device::warp_size;
        const int allocated = (per_warp + granularity - 1) / granularity * granularity;
        const int warps = Device::registers_per_block / partitions / allocated * partitions;
        threads = std::min(threads, warps * Device::warp_size);
    }
    if (kernel.max_threads > 0) {
        threads = std::min(threads, static_cast<int>(kernel.max_threads));
    }
    return threads;
}

std::uint64_t available_dynamic_shared(const Device & device, const KernelCode & kernel,
                                       const KernelLimits & limits, int blocks, int block_threads) {
    const cudaOccDeviceProp properties = properties_of(device);
    const cudaOccFuncAttributes attributes = attributes_of(device, kernel, limits);
    const cudaOccDeviceState state = state_of(limits);
    std::size_t bytes = 0;
    const cudaOccError error = cudaOccAvailableDynamicSMemPerBlock(&bytes, &properties, &attributes,
                                                                   &state, blocks, block_threads);
    return error == CUDA_OCC_SUCCESS ? bytes : 0;
}

}  // namespace shadow
