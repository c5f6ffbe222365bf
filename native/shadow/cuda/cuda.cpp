// libcuda as the shadow runtime plays it: the part of the driver that programs on top of libcudart
// call directly. What is not here is in the list of names/ and ends the run with its name.

#include <cuda.h>

#include <cstdio>

#include "core/runtime.h"

using shadow::Address;
using shadow::Device;
using shadow::Runtime;
using shadow::Status;

#define FINISH(outcome) finish(__func__, outcome)

namespace {

Runtime & runtime() { return Runtime::get(); }

CUresult driver_result(Status status) {
    // The two numberings agree on what is passed on here (cuda.h, driver_types.h).
    return static_cast<CUresult>(status);
}
static_assert(CUDA_ERROR_INVALID_VALUE == static_cast<int>(Status::invalid_value));
static_assert(CUDA_ERROR_OUT_OF_MEMORY == static_cast<int>(Status::memory_allocation));
static_assert(CUDA_ERROR_INVALID_DEVICE == static_cast<int>(Status::invalid_device));
static_assert(CUDA_ERROR_NO_DEVICE == static_cast<int>(Status::no_device));

CUresult finish(const char * call, Status status) {
    return driver_result(static_cast<Status>(runtime().finish_driver(call, status)));
}

bool attribute_of(const Device & device, CUdevice_attribute attribute, int * value) {
    switch (attribute) {
        case CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED: *value = 1; return true;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = device.major(); return true;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = device.minor(); return true;
        case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = device.multiprocessors; return true;
        case CU_DEVICE_ATTRIBUTE_INTEGRATED: *value = device.integrated; return true;
        case CU_DEVICE_ATTRIBUTE_MULTICAST_SUPPORTED:
        case CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED:
        case CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_FABRIC_SUPPORTED: *value = 0; return true;
        default: return false;
    }
}

int device_of(const CUmemAllocationProp & prop) {
    return prop.type == CU_MEM_ALLOCATION_TYPE_PINNED &&
                   prop.location.type == CU_MEM_LOCATION_TYPE_DEVICE
               ? prop.location.id
               : -1;
}

}  // namespace

extern "C" {

CUresult cuInit(unsigned int flags) {
    return FINISH(flags != 0                      ? Status::invalid_value
                  : runtime().device_count() == 0 ? Status::no_device
                                                  : Status::success);
}

CUresult cuDriverGetVersion(int * version) {
    *version = CUDA_VERSION;
    return FINISH(Status::success);
}

CUresult cuDeviceGetCount(int * count) {
    *count = runtime().device_count();
    return FINISH(Status::success);
}

CUresult cuDeviceGet(CUdevice * device, int ordinal) {
    *device = ordinal;
    return FINISH(runtime().device(ordinal) == nullptr ? Status::invalid_device : Status::success);
}

CUresult cuDeviceGetName(char * name, int len, CUdevice dev) {
    const Device * device = runtime().device(dev);
    if (device != nullptr) {
        std::snprintf(name, static_cast<std::size_t>(len), "%s", device->name.c_str());
    }
    return FINISH(device == nullptr ? Status::invalid_device : Status::success);
}

CUresult cuDeviceGetAttribute(int * pi, CUdevice_attribute attrib, CUdevice dev) {
    const Device * device = runtime().device(dev);
    if (device == nullptr) {
        return FINISH(Status::invalid_device);
    }
    if (!attribute_of(*device, attrib, pi)) {
        shadow::fatal("cuDeviceGetAttribute with attribute " +
                      std::to_string(static_cast<int>(attrib)) + " is not known");
    }
    return FINISH(Status::success);
}

CUresult cuGetErrorString(CUresult error, const char ** pStr) {
    switch (error) {
        case CUDA_SUCCESS: *pStr = "no error"; return CUDA_SUCCESS;
        case CUDA_ERROR_INVALID_VALUE: *pStr = "invalid argument"; return CUDA_SUCCESS;
        case CUDA_ERROR_OUT_OF_MEMORY: *pStr = "out of memory"; return CUDA_SUCCESS;
        case CUDA_ERROR_NO_DEVICE:
            *pStr = "no CUDA-capable device is detected";
            return CUDA_SUCCESS;
        case CUDA_ERROR_INVALID_DEVICE: *pStr = "invalid device ordinal"; return CUDA_SUCCESS;
        case CUDA_ERROR_LAUNCH_FAILED: *pStr = "unspecified launch failure"; return CUDA_SUCCESS;
        default: *pStr = nullptr; return CUDA_ERROR_INVALID_VALUE;
    }
}

// Virtual memory management.

CUresult cuMemGetAllocationGranularity(size_t * granularity, const CUmemAllocationProp * prop,
                                       CUmemAllocationGranularity_flags) {
    const bool known = runtime().device(device_of(*prop)) != nullptr;
    *granularity = shadow::Memory::granularity;
    return FINISH(known ? Status::success : Status::invalid_value);
}

CUresult cuMemAddressReserve(CUdeviceptr * ptr, size_t size, size_t alignment,
                             CUdeviceptr /* a hint */, unsigned long long flags) {
    if (flags != 0 || alignment > shadow::Memory::granularity) {
        return FINISH(Status::invalid_value);
    }
    Address address = 0;
    const Status status = runtime().reserve(size, &address);
    *ptr = address;
    return FINISH(status);
}

CUresult cuMemAddressFree(CUdeviceptr ptr, size_t size) {
    return FINISH(runtime().unreserve(ptr, size));
}

CUresult cuMemCreate(CUmemGenericAllocationHandle * handle, size_t size,
                     const CUmemAllocationProp * prop, unsigned long long flags) {
    std::uint64_t made = 0;
    const Status status = flags != 0 ? Status::invalid_value
                                     : runtime().create_physical(device_of(*prop), size, &made);
    *handle = made;
    return FINISH(status);
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
    return FINISH(runtime().release_physical(handle));
}

CUresult cuMemMap(CUdeviceptr ptr, size_t size, size_t offset, CUmemGenericAllocationHandle handle,
                  unsigned long long flags) {
    return FINISH(flags != 0 ? Status::invalid_value : runtime().map(ptr, size, offset, handle));
}

CUresult cuMemUnmap(CUdeviceptr ptr, size_t size) { return FINISH(runtime().unmap(ptr, size)); }

CUresult cuMemSetAccess(CUdeviceptr ptr, size_t size, const CUmemAccessDesc * desc, size_t count) {
    Status status = count == 0 ? Status::invalid_value : Status::success;
    for (std::size_t i = 0; i < count && status == Status::success; ++i) {
        const bool readable = desc[i].flags != CU_MEM_ACCESS_FLAGS_PROT_NONE;
        status = runtime().device(desc[i].location.id) == nullptr
                     ? Status::invalid_device
                     : runtime().set_access(ptr, size, readable);
    }
    return FINISH(status);
}

}  // extern "C"
