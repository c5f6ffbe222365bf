// libcudart as the shadow runtime plays it: NVIDIA's prototypes in front, core/runtime.h behind.
//
// Compiled once against the headers of each major version. What is not here is in the list of
// names/ and ends the run with its name.

#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstring>

#include "core/runtime.h"
#include "cudart/errors.h"

using shadow::Address;
using shadow::CopyOperation;
using shadow::Device;
using shadow::Dim3;
using shadow::LaunchOptions;
using shadow::Runtime;
using shadow::SetOperation;
using shadow::Status;

#define FINISH(outcome) finish(__func__, outcome)

namespace {

Runtime & runtime() { return Runtime::get(); }

cudaError_t finish(const char * call, Status status) {
    return static_cast<cudaError_t>(runtime().finish(call, status));
}

Address address_of(const void * pointer) { return reinterpret_cast<Address>(pointer); }

Dim3 dim3_of(dim3 size) { return {size.x, size.y, size.z}; }

LaunchOptions options_of(dim3 grid, dim3 block, std::size_t dynamic_shared) {
    LaunchOptions options;
    options.grid = dim3_of(grid);
    options.block = dim3_of(block);
    options.dynamic_shared = dynamic_shared;
    return options;
}

void put(int (&to)[3], const int (&from)[3]) { std::memcpy(to, from, sizeof to); }

void fill(cudaDeviceProp * prop, const Device & device, int ordinal) {
    std::memset(prop, 0, sizeof *prop);
    std::snprintf(prop->name, sizeof prop->name, "%s", device.name.c_str());
    prop->uuid.bytes[0] = static_cast<char>(ordinal + 1);
    prop->totalGlobalMem = device.memory;
    prop->sharedMemPerBlock = Device::shared_per_block;
    prop->regsPerBlock = Device::registers_per_block;
    prop->warpSize = Device::warp_size;
    prop->memPitch = 2147483647;
    prop->maxThreadsPerBlock = Device::max_threads_per_block;
    put(prop->maxThreadsDim, Device::max_block);
    put(prop->maxGridSize, Device::max_grid);
    prop->totalConstMem = Device::constant_memory;
    prop->major = device.major();
    prop->minor = device.minor();
    prop->textureAlignment = 512;
    prop->texturePitchAlignment = 32;
    prop->multiProcessorCount = device.multiprocessors;
    prop->integrated = device.integrated;
    prop->canMapHostMemory = 1;
    prop->surfaceAlignment = 512;
    prop->concurrentKernels = 1;
    prop->pciBusID = ordinal + 1;
    prop->asyncEngineCount = 2;
    prop->unifiedAddressing = 1;
    prop->memoryBusWidth = device.memory_bus_bits;
    prop->l2CacheSize = static_cast<int>(device.l2);
    prop->maxThreadsPerMultiProcessor = device.max_threads_per_multiprocessor;
    prop->streamPrioritiesSupported = 1;
    prop->globalL1CacheSupported = 1;
    prop->localL1CacheSupported = 1;
    prop->sharedMemPerMultiprocessor = device.shared_per_multiprocessor;
    prop->regsPerMultiprocessor = Device::registers_per_multiprocessor;
    prop->managedMemory = 1;
    prop->concurrentManagedAccess = 1;
    prop->computePreemptionSupported = 1;
    prop->canUseHostPointerForRegisteredMem = 1;
    prop->cooperativeLaunch = 1;
    prop->sharedMemPerBlockOptin = device.shared_per_block_optin;
    prop->maxBlocksPerMultiProcessor = device.max_blocks_per_multiprocessor;
    prop->reservedSharedMemPerBlock = device.reserved_shared_per_block;
    prop->hostRegisterSupported = 1;
    prop->clusterLaunch = device.sm >= 90 ? 1 : 0;
    prop->unifiedFunctionPointers = 1;
#if CUDART_VERSION < 13000
    prop->clockRate = device.clock_khz;
    prop->memoryClockRate = device.memory_clock_khz;
    prop->deviceOverlap = 1;
#endif
}

// What is the same on every card; false for an attribute that is not among it.
bool common_attribute(cudaDeviceAttr attribute, int * value) {
    switch (attribute) {
        case cudaDevAttrMaxThreadsPerBlock: *value = Device::max_threads_per_block; return true;
        case cudaDevAttrMaxBlockDimX: *value = Device::max_block[0]; return true;
        case cudaDevAttrMaxBlockDimY: *value = Device::max_block[1]; return true;
        case cudaDevAttrMaxBlockDimZ: *value = Device::max_block[2]; return true;
        case cudaDevAttrMaxGridDimX: *value = Device::max_grid[0]; return true;
        case cudaDevAttrMaxGridDimY: *value = Device::max_grid[1]; return true;
        case cudaDevAttrMaxGridDimZ: *value = Device::max_grid[2]; return true;
        case cudaDevAttrMaxSharedMemoryPerBlock: *value = Device::shared_per_block; return true;
        case cudaDevAttrTotalConstantMemory: *value = Device::constant_memory; return true;
        case cudaDevAttrWarpSize: *value = Device::warp_size; return true;
        case cudaDevAttrMaxRegistersPerBlock: *value = Device::registers_per_block; return true;
        case cudaDevAttrMaxRegistersPerMultiprocessor:
            *value = Device::registers_per_multiprocessor;
            return true;
        case cudaDevAttrAsyncEngineCount: *value = 2; return true;
        case cudaDevAttrCanMapHostMemory:
        case cudaDevAttrConcurrentKernels:
        case cudaDevAttrUnifiedAddressing:
        case cudaDevAttrManagedMemory:
        case cudaDevAttrConcurrentManagedAccess:
        case cudaDevAttrComputePreemptionSupported:
        case cudaDevAttrCanUseHostPointerForRegisteredMem:
        case cudaDevAttrCooperativeLaunch:
        case cudaDevAttrHostRegisterSupported: *value = 1; return true;
        case cudaDevAttrPciDeviceId:
        case cudaDevAttrPciDomainId:
        case cudaDevAttrComputeMode:
        case cudaDevAttrKernelExecTimeout:
        case cudaDevAttrEccEnabled:
        case cudaDevAttrMemoryPoolsSupported:
        case cudaDevAttrPageableMemoryAccess: *value = 0; return true;
        default: return false;
    }
}

// False for an attribute whose answer is not known.
bool attribute_of(const Device & device, int ordinal, cudaDeviceAttr attribute, int * value) {
    switch (attribute) {
        case cudaDevAttrClockRate: *value = device.clock_khz; return true;
        case cudaDevAttrMemoryClockRate: *value = device.memory_clock_khz; return true;
        case cudaDevAttrGlobalMemoryBusWidth: *value = device.memory_bus_bits; return true;
        case cudaDevAttrMultiProcessorCount: *value = device.multiprocessors; return true;
        case cudaDevAttrIntegrated: *value = device.integrated; return true;
        case cudaDevAttrL2CacheSize: *value = static_cast<int>(device.l2); return true;
        case cudaDevAttrMaxThreadsPerMultiProcessor:
            *value = device.max_threads_per_multiprocessor;
            return true;
        case cudaDevAttrComputeCapabilityMajor: *value = device.major(); return true;
        case cudaDevAttrComputeCapabilityMinor: *value = device.minor(); return true;
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
            *value = static_cast<int>(device.shared_per_multiprocessor);
            return true;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin:
            *value = static_cast<int>(device.shared_per_block_optin);
            return true;
        case cudaDevAttrReservedSharedMemoryPerBlock:
            *value = static_cast<int>(device.reserved_shared_per_block);
            return true;
        case cudaDevAttrMaxBlocksPerMultiprocessor:
            *value = device.max_blocks_per_multiprocessor;
            return true;
        case cudaDevAttrPciBusId: *value = ordinal + 1; return true;
        case cudaDevAttrClusterLaunch: *value = device.sm >= 90 ? 1 : 0; return true;
        default: return common_attribute(attribute, value);
    }
}

CopyOperation copy_rows(const char * call, void * dst, std::size_t dpitch, const void * src,
                        std::size_t spitch, std::size_t width, std::size_t rows) {
    CopyOperation copy;
    copy.destination = address_of(dst);
    copy.source = address_of(src);
    copy.width = width;
    copy.rows = rows;
    copy.destination_pitch = dpitch;
    copy.source_pitch = spitch;
    copy.call = call;
    return copy;
}

CopyOperation copy_bytes(const char * call, void * dst, const void * src, std::size_t bytes) {
    return copy_rows(call, dst, bytes, src, bytes, bytes, 1);
}

SetOperation set_rows(const char * call, void * dst, std::size_t pitch, int value,
                      std::size_t width, std::size_t rows) {
    SetOperation set;
    set.destination = address_of(dst);
    set.pitch = pitch;
    set.value = value;
    set.width = width;
    set.rows = rows;
    set.call = call;
    return set;
}

Status copy_2d(const char * call, void * dst, std::size_t dpitch, const void * src,
               std::size_t spitch, std::size_t width, std::size_t rows, cudaMemcpyKind kind,
               const void * const * stream) {
    if (width > dpitch || width > spitch) {
        return Status::invalid_pitch;
    }
    return runtime().copy(copy_rows(call, dst, dpitch, src, spitch, width, rows), kind, stream);
}

Status copy_3d_peer(const char * call, const cudaMemcpy3DPeerParms & p,
                    const void * const * stream) {
    if (p.srcArray != nullptr || p.dstArray != nullptr) {
        shadow::fatal(std::string(call) + " with CUDA arrays is not known");
    }
    const auto start = [](const cudaPitchedPtr & pointer, const cudaPos & at) {
        return static_cast<char *>(pointer.ptr) + (at.z * pointer.ysize + at.y) * pointer.pitch +
               at.x;
    };
    CopyOperation copy =
        copy_rows(call, start(p.dstPtr, p.dstPos), p.dstPtr.pitch, start(p.srcPtr, p.srcPos),
                  p.srcPtr.pitch, p.extent.width, p.extent.height);
    copy.slices = p.extent.depth;
    copy.destination_slice = p.dstPtr.pitch * p.dstPtr.ysize;
    copy.source_slice = p.srcPtr.pitch * p.srcPtr.ysize;
    return runtime().copy(copy, cudaMemcpyDefault, stream);
}

Status launch(const void * function, const LaunchOptions & options, void ** arguments,
              cudaStream_t stream) {
#if CUDART_VERSION < 13000
    // The runtime of CUDA 12 refuses impossible sizes itself; that of CUDA 13 leaves it to the
    // driver, which has another word for it. Both were seen on a real H200.
    if (!Runtime::possible_sizes(options)) {
        return Status::invalid_configuration;
    }
#endif
    return runtime().launch(function, options, arguments, stream);
}

Status launch_with_attributes(const cudaLaunchConfig_t & config, const void * function,
                              void ** arguments) {
    LaunchOptions options = options_of(config.gridDim, config.blockDim, config.dynamicSmemBytes);
    for (unsigned i = 0; i < config.numAttrs; ++i) {
        const cudaLaunchAttribute & attribute = config.attrs[i];
        switch (attribute.id) {
            case cudaLaunchAttributeIgnore:
            case cudaLaunchAttributePriority: break;
            case cudaLaunchAttributeCooperative:
                options.cooperative = attribute.val.cooperative != 0;
                break;
            case cudaLaunchAttributeProgrammaticStreamSerialization:
                options.programmatic = attribute.val.programmaticStreamSerializationAllowed != 0;
                break;
            case cudaLaunchAttributeClusterDimension:
                options.cluster = {attribute.val.clusterDim.x, attribute.val.clusterDim.y,
                                   attribute.val.clusterDim.z};
                break;
            default:
                shadow::fatal("cudaLaunchKernelExC with launch attribute " +
                              std::to_string(static_cast<int>(attribute.id)) + " is not known");
        }
    }
    return launch(function, options, arguments, config.stream);
}

Status host_pointer_flags(unsigned flags) {
    constexpr unsigned known =
        cudaHostAllocPortable | cudaHostAllocMapped | cudaHostAllocWriteCombined;
    return (flags & ~known) == 0 ? Status::success : Status::invalid_value;
}

}  // namespace

extern "C" {

// Registration. nvcc writes calls to these into every object; crt/host_runtime.h declares them.

void ** __cudaRegisterFatBinary(void * fatCubin) {
    return static_cast<void **>(runtime().register_fatbin(fatCubin));
}

void __cudaRegisterFatBinaryEnd(void **) {}

void __cudaUnregisterFatBinary(void ** fatCubinHandle) {
    runtime().unregister_fatbin(fatCubinHandle);
}

void __cudaRegisterFunction(void ** fatCubinHandle, const char * hostFun, char *,
                            const char * deviceName, int, uint3 *, uint3 *, dim3 *, dim3 *, int *) {
    runtime().register_function(fatCubinHandle, hostFun, deviceName);
}

// Variables need no entry: kernels find them through their own code, and the calls that would
// read or write one from the host are not known here.
void __cudaRegisterVar(void **, char *, char *, const char *, int, size_t, int, int) {}

char __cudaInitModule(void **) { return 1; }

unsigned __cudaPushCallConfiguration(dim3 gridDim, dim3 blockDim, size_t sharedMem,
                                     CUstream_st * stream) {
    runtime().push_configuration({dim3_of(gridDim), dim3_of(blockDim), sharedMem, stream});
    return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3 * gridDim, dim3 * blockDim, size_t * sharedMem,
                                       void * stream) {
    shadow::CallConfiguration configuration;
    if (!runtime().pop_configuration(&configuration)) {
        return cudaErrorMissingConfiguration;
    }
    *gridDim = dim3(configuration.grid.x, configuration.grid.y, configuration.grid.z);
    *blockDim = dim3(configuration.block.x, configuration.block.y, configuration.block.z);
    *sharedMem = configuration.dynamic_shared;
    std::memcpy(stream, &configuration.stream, sizeof configuration.stream);
    return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t * kernel, const void * function) {
    *kernel = static_cast<cudaKernel_t>(runtime().kernel_handle(function));
    return FINISH(*kernel == nullptr ? Status::invalid_resource_handle : Status::success);
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 gridDim, dim3 blockDim, void ** args,
                               size_t sharedMem, cudaStream_t stream) {
    return FINISH(launch(kernel, options_of(gridDim, blockDim, sharedMem), args, stream));
}

cudaError_t cudaLaunchKernel(const void * func, dim3 gridDim, dim3 blockDim, void ** args,
                             size_t sharedMem, cudaStream_t stream) {
    return FINISH(launch(func, options_of(gridDim, blockDim, sharedMem), args, stream));
}

cudaError_t cudaLaunchCooperativeKernel(const void * func, dim3 gridDim, dim3 blockDim,
                                        void ** args, size_t sharedMem, cudaStream_t stream) {
    LaunchOptions options = options_of(gridDim, blockDim, sharedMem);
    options.cooperative = true;
    return FINISH(launch(func, options, args, stream));
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t * config, const void * func,
                                void ** args) {
    return FINISH(config == nullptr ? Status::invalid_value
                                    : launch_with_attributes(*config, func, args));
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t fn, void * userData) {
    return FINISH(fn == nullptr ? Status::invalid_value
                                : runtime().host_function(stream, fn, userData));
}

// Functions.

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes * attr, const void * func) {
    shadow::FunctionAttributes known;
    const Status status = runtime().function_attributes(func, &known);
    if (status == Status::success) {
        std::memset(attr, 0, sizeof *attr);
        attr->sharedSizeBytes = known.static_shared;
        attr->constSizeBytes = known.constant;
        attr->localSizeBytes = known.local;
        attr->maxThreadsPerBlock = known.max_threads;
        attr->numRegs = known.registers;
        attr->ptxVersion = known.code_sm;
        attr->binaryVersion = known.code_sm;
        attr->maxDynamicSharedSizeBytes = static_cast<int>(known.max_dynamic_shared);
        attr->preferredShmemCarveout = known.carveout;
    }
    return FINISH(status);
}

cudaError_t cudaFuncSetAttribute(const void * func, cudaFuncAttribute attr, int value) {
    if (attr == cudaFuncAttributeMaxDynamicSharedMemorySize) {
        return FINISH(
            runtime().set_function_limit(func, shadow::FunctionLimit::max_dynamic_shared, value));
    }
    if (attr == cudaFuncAttributePreferredSharedMemoryCarveout) {
        return FINISH(runtime().set_function_limit(func, shadow::FunctionLimit::carveout, value));
    }
    shadow::fatal("cudaFuncSetAttribute with attribute " + std::to_string(static_cast<int>(attr)) +
                  " is not known");
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int * numBlocks, const void * func,
                                                          int blockSize, size_t dynamicSMemSize) {
    return FINISH(runtime().occupancy(func, blockSize, dynamicSMemSize, numBlocks));
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int * numBlocks,
                                                                   const void * func, int blockSize,
                                                                   size_t dynamicSMemSize,
                                                                   unsigned int flags) {
    constexpr unsigned known = cudaOccupancyDisableCachingOverride;
    return FINISH((flags & ~known) != 0
                      ? Status::invalid_value
                      : runtime().occupancy(func, blockSize, dynamicSMemSize, numBlocks));
}

cudaError_t cudaOccupancyAvailableDynamicSMemPerBlock(size_t * dynamicSmemSize, const void * func,
                                                      int numBlocks, int blockSize) {
    std::uint64_t bytes = 0;
    const Status status = runtime().available_shared(func, numBlocks, blockSize, &bytes);
    *dynamicSmemSize = bytes;
    return FINISH(status);
}

// Devices.

cudaError_t cudaGetDeviceCount(int * count) {
    *count = runtime().device_count();
    return FINISH(*count == 0 ? Status::no_device : Status::success);
}

cudaError_t cudaGetDevice(int * device) {
    *device = runtime().current_device();
    return FINISH(runtime().device_count() == 0 ? Status::no_device : Status::success);
}

cudaError_t cudaSetDevice(int device) { return FINISH(runtime().set_device(device)); }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp * prop, int device) {
    const Device * found = runtime().device(device);
    if (found != nullptr) {
        fill(prop, *found, device);
    }
    return FINISH(found == nullptr ? Status::invalid_device : Status::success);
}

cudaError_t cudaDeviceGetAttribute(int * value, cudaDeviceAttr attr, int device) {
    const Device * found = runtime().device(device);
    if (found == nullptr) {
        return FINISH(Status::invalid_device);
    }
    if (!attribute_of(*found, device, attr, value)) {
        shadow::fatal("cudaDeviceGetAttribute with attribute " +
                      std::to_string(static_cast<int>(attr)) + " is not known");
    }
    return FINISH(Status::success);
}

cudaError_t cudaDeviceGetPCIBusId(char * pciBusId, int len, int device) {
    const Device * found = runtime().device(device);
    if (found == nullptr || pciBusId == nullptr) {
        return FINISH(found == nullptr ? Status::invalid_device : Status::invalid_value);
    }
    const int written = std::snprintf(pciBusId, static_cast<std::size_t>(len), "0000:%02x:00.0",
                                      static_cast<unsigned>(device + 1));
    return FINISH(written < len ? Status::success : Status::invalid_value);
}

cudaError_t cudaDeviceSynchronize(void) { return FINISH(runtime().synchronize_device()); }

cudaError_t cudaSetDeviceFlags(unsigned int flags) {
    return FINISH((flags & ~cudaDeviceMask) == 0 ? Status::success : Status::invalid_value);
}

cudaError_t cudaDeviceCanAccessPeer(int * canAccessPeer, int device, int peerDevice) {
    const bool known =
        runtime().device(device) != nullptr && runtime().device(peerDevice) != nullptr;
    *canAccessPeer = known && device != peerDevice ? 1 : 0;
    return FINISH(known ? Status::success : Status::invalid_device);
}

cudaError_t cudaDeviceEnablePeerAccess(int peerDevice, unsigned int flags) {
    return FINISH(flags != 0 ? Status::invalid_value : runtime().enable_peer(peerDevice, true));
}

cudaError_t cudaDeviceDisablePeerAccess(int peerDevice) {
    return FINISH(runtime().enable_peer(peerDevice, false));
}

cudaError_t cudaDriverGetVersion(int * version) {
    *version = CUDART_VERSION;
    return FINISH(Status::success);
}

cudaError_t cudaRuntimeGetVersion(int * version) {
    *version = CUDART_VERSION;
    return FINISH(Status::success);
}

// Errors.

cudaError_t cudaGetLastError(void) { return static_cast<cudaError_t>(runtime().last_error(true)); }

cudaError_t cudaPeekAtLastError(void) {
    return static_cast<cudaError_t>(runtime().last_error(false));
}

const char * cudaGetErrorString(cudaError_t error) { return shadow::error_text(error); }

const char * cudaGetErrorName(cudaError_t error) { return shadow::error_name(error); }

// Memory.

cudaError_t cudaMalloc(void ** devPtr, size_t size) {
    return FINISH(devPtr == nullptr ? Status::invalid_value : runtime().allocate(devPtr, size));
}

cudaError_t cudaMallocManaged(void ** devPtr, size_t size, unsigned int flags) {
    const bool known = flags == cudaMemAttachGlobal || flags == cudaMemAttachHost;
    return FINISH(devPtr == nullptr || !known ? Status::invalid_value
                                              : runtime().allocate_managed(devPtr, size));
}

cudaError_t cudaFree(void * devPtr) { return FINISH(runtime().free(devPtr)); }

cudaError_t cudaMallocHost(void ** ptr, size_t size) {
    return FINISH(ptr == nullptr ? Status::invalid_value : runtime().allocate_host(ptr, size));
}

cudaError_t cudaHostAlloc(void ** pHost, size_t size, unsigned int flags) {
    const Status status = host_pointer_flags(flags);
    return FINISH(status == Status::success ? runtime().allocate_host(pHost, size) : status);
}

cudaError_t cudaFreeHost(void * ptr) { return FINISH(runtime().free_host(ptr)); }

cudaError_t cudaHostRegister(void * ptr, size_t size, unsigned int flags) {
    constexpr unsigned known = cudaHostRegisterPortable | cudaHostRegisterMapped |
                               cudaHostRegisterIoMemory | cudaHostRegisterReadOnly;
    return FINISH((flags & ~known) != 0 ? Status::invalid_value
                                        : runtime().register_host(ptr, size));
}

cudaError_t cudaHostUnregister(void * ptr) { return FINISH(runtime().unregister_host(ptr)); }

cudaError_t cudaHostGetDevicePointer(void ** pDevice, void * pHost, unsigned int flags) {
    Address start = 0;
    std::uint64_t bytes = 0;
    const shadow::Place place = runtime().place(pHost, &start, &bytes);
    const bool usable = flags == 0 && place.where == shadow::Where::pinned;
    *pDevice = usable ? pHost : nullptr;
    return FINISH(usable ? Status::success : Status::invalid_value);
}

cudaError_t cudaMemGetInfo(size_t * free, size_t * total) {
    std::uint64_t free_bytes = 0;
    std::uint64_t total_bytes = 0;
    const Status status = runtime().memory_info(&free_bytes, &total_bytes);
    *free = free_bytes;
    *total = total_bytes;
    return FINISH(status);
}

#if CUDART_VERSION < 13000
cudaError_t cudaMemAdvise(const void * devPtr, size_t, cudaMemoryAdvise, int) {
#else
cudaError_t cudaMemAdvise(const void * devPtr, size_t, cudaMemoryAdvise, cudaMemLocation) {
#endif
    Address start = 0;
    std::uint64_t bytes = 0;
    const shadow::Place place = runtime().place(devPtr, &start, &bytes);
    return FINISH(place.where == shadow::Where::managed ? Status::success : Status::invalid_value);
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes * attributes, const void * ptr) {
    Address start = 0;
    std::uint64_t bytes = 0;
    const shadow::Place place = runtime().place(ptr, &start, &bytes);
    std::memset(attributes, 0, sizeof *attributes);
    attributes->device = place.device < 0 ? runtime().current_device() : place.device;
    void * const same = const_cast<void *>(ptr);
    switch (place.where) {
        case shadow::Where::device:
            attributes->type = cudaMemoryTypeDevice;
            attributes->devicePointer = same;
            break;
        case shadow::Where::managed:
            attributes->type = cudaMemoryTypeManaged;
            attributes->devicePointer = same;
            attributes->hostPointer = same;
            break;
        case shadow::Where::pinned:
            attributes->type = cudaMemoryTypeHost;
            attributes->devicePointer = same;
            attributes->hostPointer = same;
            break;
        case shadow::Where::pageable_host:
        case shadow::Where::bad:
            attributes->type = cudaMemoryTypeUnregistered;
            attributes->hostPointer = same;
            attributes->device = -2;  // cudaInvalidDeviceId
            break;
    }
    return FINISH(Status::success);
}

cudaError_t cudaMemcpy(void * dst, const void * src, size_t count, cudaMemcpyKind kind) {
    return FINISH(runtime().copy(copy_bytes(__func__, dst, src, count), kind, nullptr));
}

cudaError_t cudaMemcpyAsync(void * dst, const void * src, size_t count, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    const void * const handle = stream;
    return FINISH(runtime().copy(copy_bytes(__func__, dst, src, count), kind, &handle));
}

cudaError_t cudaMemcpyPeer(void * dst, int, const void * src, int, size_t count) {
    return FINISH(
        runtime().copy(copy_bytes(__func__, dst, src, count), cudaMemcpyDeviceToDevice, nullptr));
}

cudaError_t cudaMemcpyPeerAsync(void * dst, int, const void * src, int, size_t count,
                                cudaStream_t stream) {
    const void * const handle = stream;
    return FINISH(
        runtime().copy(copy_bytes(__func__, dst, src, count), cudaMemcpyDeviceToDevice, &handle));
}

cudaError_t cudaMemcpy2D(void * dst, size_t dpitch, const void * src, size_t spitch, size_t width,
                         size_t height, cudaMemcpyKind kind) {
    return FINISH(copy_2d(__func__, dst, dpitch, src, spitch, width, height, kind, nullptr));
}

cudaError_t cudaMemcpy2DAsync(void * dst, size_t dpitch, const void * src, size_t spitch,
                              size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
    const void * const handle = stream;
    return FINISH(copy_2d(__func__, dst, dpitch, src, spitch, width, height, kind, &handle));
}

cudaError_t cudaMemcpy3DPeerAsync(const cudaMemcpy3DPeerParms * p, cudaStream_t stream) {
    const void * const handle = stream;
    return FINISH(copy_3d_peer(__func__, *p, &handle));
}

cudaError_t cudaMemset(void * devPtr, int value, size_t count) {
    return FINISH(runtime().set(set_rows(__func__, devPtr, count, value, count, 1), nullptr));
}

cudaError_t cudaMemsetAsync(void * devPtr, int value, size_t count, cudaStream_t stream) {
    const void * const handle = stream;
    return FINISH(runtime().set(set_rows(__func__, devPtr, count, value, count, 1), &handle));
}

cudaError_t cudaMemset2DAsync(void * devPtr, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t stream) {
    const void * const handle = stream;
    return FINISH(runtime().set(set_rows(__func__, devPtr, pitch, value, width, height), &handle));
}

// Streams and events.

cudaError_t cudaStreamCreate(cudaStream_t * pStream) {
    return FINISH(runtime().create_stream(true, reinterpret_cast<void **>(pStream)));
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t * pStream, unsigned int flags) {
    if ((flags & ~cudaStreamNonBlocking) != 0) {
        return FINISH(Status::invalid_value);
    }
    const bool blocking = (flags & cudaStreamNonBlocking) == 0;
    return FINISH(runtime().create_stream(blocking, reinterpret_cast<void **>(pStream)));
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t * pStream, unsigned int flags, int) {
    return cudaStreamCreateWithFlags(pStream, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    return FINISH(runtime().destroy_stream(stream));
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    return FINISH(runtime().synchronize_stream(stream));
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
    return FINISH(runtime().synchronize_stream(stream));
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags) {
    return FINISH(flags > cudaEventWaitExternal ? Status::invalid_value
                                                : runtime().wait_event(stream, event));
}

cudaError_t cudaEventCreate(cudaEvent_t * event) {
    return FINISH(runtime().create_event(reinterpret_cast<void **>(event)));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t * event, unsigned int flags) {
    constexpr unsigned known = cudaEventBlockingSync | cudaEventDisableTiming;
    return FINISH((flags & ~known) != 0 ? Status::invalid_value
                                        : runtime().create_event(reinterpret_cast<void **>(event)));
}

cudaError_t cudaEventDestroy(cudaEvent_t event) { return FINISH(runtime().destroy_event(event)); }

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    return FINISH(runtime().record_event(event, stream));
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    return FINISH(runtime().synchronize_event(event));
}

cudaError_t cudaEventQuery(cudaEvent_t event) { return FINISH(runtime().synchronize_event(event)); }

// Graphs.

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus * pCaptureStatus) {
    int status = 0;
    const Status outcome = runtime().is_capturing(stream, &status);
    *pCaptureStatus = static_cast<cudaStreamCaptureStatus>(status);
    return FINISH(outcome);
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
    return FINISH(runtime().begin_capture(stream, mode));
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t * pGraph) {
    return FINISH(runtime().end_capture(stream, reinterpret_cast<void **>(pGraph)));
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t * nodes, size_t * numNodes) {
    return FINISH(
        numNodes == nullptr
            ? Status::invalid_value
            : runtime().graph_nodes(
                  graph, const_cast<const void **>(reinterpret_cast<void **>(nodes)), numNodes));
}

cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType * pType) {
    auto kind = Runtime::NodeKind::kernel;
    const Status status = runtime().node_kind(node, &kind);
    *pType = static_cast<cudaGraphNodeType>(kind);
    return FINISH(status);
}

cudaError_t cudaGraphKernelNodeGetParams(cudaGraphNode_t node, cudaKernelNodeParams * params) {
    const void * function = nullptr;
    const void * const * arguments = nullptr;
    LaunchOptions options;
    const Status status = runtime().kernel_node(node, &function, &options, &arguments);
    if (status == Status::success) {
        *params = cudaKernelNodeParams{};
        params->func = const_cast<void *>(function);
        params->gridDim = dim3(options.grid.x, options.grid.y, options.grid.z);
        params->blockDim = dim3(options.block.x, options.block.y, options.block.z);
        params->sharedMemBytes = static_cast<unsigned>(options.dynamic_shared);
        params->kernelParams = const_cast<void **>(arguments);
    }
    return FINISH(status);
}

cudaError_t cudaGraphKernelNodeSetParams(cudaGraphNode_t node,
                                         const cudaKernelNodeParams * params) {
    if (params->extra != nullptr) {
        shadow::fatal("cudaGraphKernelNodeSetParams with `extra` is not known");
    }
    const LaunchOptions options =
        options_of(params->gridDim, params->blockDim, params->sharedMemBytes);
    return FINISH(runtime().set_kernel_node(node, params->func, options, params->kernelParams));
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t * pGraphExec, cudaGraph_t graph,
                                 unsigned long long flags) {
    return FINISH(flags != 0 ? Status::not_supported
                             : runtime().instantiate(graph, reinterpret_cast<void **>(pGraphExec)));
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t * pGraphExec, cudaGraph_t graph,
                                          unsigned long long flags) {
    return cudaGraphInstantiate(pGraphExec, graph, flags);
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t hGraphExec, cudaGraph_t hGraph,
                                cudaGraphExecUpdateResultInfo * resultInfo) {
    auto result = Runtime::UpdateResult::success;
    const Status status = runtime().update(hGraphExec, hGraph, &result);
    std::memset(resultInfo, 0, sizeof *resultInfo);
    resultInfo->result = static_cast<cudaGraphExecUpdateResult>(result);
    return FINISH(status);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graphExec, cudaStream_t stream) {
    return FINISH(runtime().launch_graph(graphExec, stream));
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return FINISH(runtime().destroy_graph(graph)); }

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graphExec) {
    return FINISH(runtime().destroy_executable(graphExec));
}

}  // extern "C"
