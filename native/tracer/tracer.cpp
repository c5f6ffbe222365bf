#include "tracer.h"

#include <dlfcn.h>
#include <link.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

// As NVIDIA's headers of CUDA 12 and 13 declare them (vector_types.h, driver_types.h); declared
// here so that one library serves both.
struct Dim3 {
    unsigned x, y, z;
};
using Status = int;           // cudaError_t
using Kernel = const void *;  // cudaKernel_t, or the address of a kernel's host function
constexpr Status success = 0;

// The start of cudaLaunchConfig_t; the rest is not looked at.
struct LaunchConfig {
    Dim3 grid;
    Dim3 block;
    size_t dynamic_shared;
};

constexpr int attribute_major = 75;  // cudaDevAttrComputeCapabilityMajor
constexpr int attribute_minor = 76;  // cudaDevAttrComputeCapabilityMinor

// One cell of a grid launches fewer than ten.
constexpr size_t capacity = size_t{1} << 16;

struct State {
    std::mutex mutex;
    std::set<std::string> names;
    std::unordered_map<Kernel, const char *> kernels;
    std::deque<llamaproof_traced_launch> launches;
    uint64_t dropped = 0;
};

// Never destroyed: libraries launch and unregister until the very end of a process.
State & state() {
    static State * const one = new State;
    return *one;
}

// The runtime may reach one launch function through another.
thread_local int depth = 0;

struct Nested {
    Nested() { ++depth; }
    ~Nested() { --depth; }
    Nested(const Nested &) = delete;
    Nested & operator=(const Nested &) = delete;
};

[[noreturn]] void give_up(const char * what, const char * name) {
    std::fprintf(stderr, "llamaproof tracer: %s (%s)\n", what, name);
    std::abort();
}

int note_runtime(dl_phdr_info * info, size_t, void * found) {
    const char * const slash = std::strrchr(info->dlpi_name, '/');
    const char * const base = slash != nullptr ? slash + 1 : info->dlpi_name;
    // Bundled in a wheel it is called libcudart-0123abcd.so.12.
    if (std::strncmp(base, "libcudart", std::strlen("libcudart")) == 0) {
        static_cast<std::vector<std::string> *>(found)->emplace_back(info->dlpi_name);
    }
    return 0;
}

std::vector<std::string> loaded_runtimes() {
    std::vector<std::string> found;
    dl_iterate_phdr(note_runtime, &found);
    return found;
}

void * find_in_runtime(const char * name) {
    const std::vector<std::string> runtimes = loaded_runtimes();
    if (runtimes.size() != 1) {
        give_up(runtimes.empty() ? "no libcudart is loaded to pass a call on to"
                                 : "several libcudart are loaded; which one is meant is not known",
                name);
    }
    // RTLD_NEXT would look in the program's own scope, where a library that was opened is not.
    void * const handle = dlopen(runtimes[0].c_str(), RTLD_LAZY | RTLD_NOLOAD);
    void * const function = handle != nullptr ? dlsym(handle, name) : nullptr;
    if (function == nullptr) {
        give_up("the runtime lacks a function that is called", name);
    }
    return function;
}

template <typename Function> Function * real(Function *, const char * name) {
    return reinterpret_cast<Function *>(find_in_runtime(name));
}

void name_kernel(Kernel kernel, const char * name) {
    State & s = state();
    const std::lock_guard<std::mutex> lock(s.mutex);
    s.kernels[kernel] = s.names.emplace(name).first->c_str();
}

void alias_kernel(Kernel kernel, Kernel host_function) {
    State & s = state();
    const std::lock_guard<std::mutex> lock(s.mutex);
    const auto known = s.kernels.find(host_function);
    if (known != s.kernels.end()) {
        s.kernels[kernel] = known->second;
    }
}

void record(Kernel kernel, const Dim3 & grid, const Dim3 & block, size_t dynamic_shared) {
    State & s = state();
    const std::lock_guard<std::mutex> lock(s.mutex);
    if (s.launches.size() >= capacity) {
        ++s.dropped;
        return;
    }
    const auto known = s.kernels.find(kernel);
    llamaproof_traced_launch launch{};
    launch.kernel = known != s.kernels.end() ? known->second : "";
    launch.dynamic_shared = dynamic_shared;
    const unsigned grid_axes[3] = {grid.x, grid.y, grid.z};
    const unsigned block_axes[3] = {block.x, block.y, block.z};
    std::memcpy(launch.grid, grid_axes, sizeof launch.grid);
    std::memcpy(launch.block, block_axes, sizeof launch.block);
    s.launches.push_back(launch);
}

template <typename Call>
Status traced(Kernel kernel, const Dim3 & grid, const Dim3 & block, size_t shared, Call call) {
    Status status;
    {
        const Nested nested;
        status = call();
    }
    if (status == success && depth == 0) {
        record(kernel, grid, block, shared);
    }
    return status;
}

}  // namespace

extern "C" {

int llamaproof_tracer_abi(void) { return LLAMAPROOF_TRACER_ABI; }

void llamaproof_tracer_reset(void) {
    State & s = state();
    const std::lock_guard<std::mutex> lock(s.mutex);
    s.launches.clear();
    s.dropped = 0;
}

size_t llamaproof_tracer_drain(llamaproof_traced_launch * launches, size_t room) {
    State & s = state();
    const std::lock_guard<std::mutex> lock(s.mutex);
    size_t taken = 0;
    while (taken < room && !s.launches.empty()) {
        launches[taken++] = s.launches.front();
        s.launches.pop_front();
    }
    return taken;
}

uint64_t llamaproof_tracer_dropped(void) {
    State & s = state();
    const std::lock_guard<std::mutex> lock(s.mutex);
    return s.dropped;
}

const char * llamaproof_tracer_runtime(void) {
    const std::vector<std::string> runtimes = loaded_runtimes();
    if (runtimes.size() != 1) {
        return nullptr;
    }
    State & s = state();
    const std::lock_guard<std::mutex> lock(s.mutex);
    return s.names.emplace(runtimes[0]).first->c_str();
}

int llamaproof_tracer_sm(int device) {
    using GetAttribute = Status(int *, int, int);
    const auto get = real(static_cast<GetAttribute *>(nullptr), "cudaDeviceGetAttribute");
    int major = 0;
    int minor = 0;
    const bool known = get(&major, attribute_major, device) == success &&
                       get(&minor, attribute_minor, device) == success;
    return known ? major * 10 + minor : 0;
}

#pragma GCC visibility push(default)

void __cudaRegisterFunction(void ** fatbin, const char * host_function, char * device_function,
                            const char * device_name, int thread_limit, void * thread, void * block,
                            void * block_dim, void * grid_dim, int * warp_size) {
    static const auto next = real(&__cudaRegisterFunction, "__cudaRegisterFunction");
    name_kernel(host_function, device_name);
    next(fatbin, host_function, device_function, device_name, thread_limit, thread, block,
         block_dim, grid_dim, warp_size);
}

// CUDA 13
Status __cudaGetKernel(Kernel * kernel, const void * host_function) {
    static const auto next = real(&__cudaGetKernel, "__cudaGetKernel");
    const Status status = next(kernel, host_function);
    if (status == success) {
        alias_kernel(*kernel, host_function);
    }
    return status;
}

// CUDA 13
Status __cudaLaunchKernel(Kernel kernel, Dim3 grid, Dim3 block, void ** arguments, size_t shared,
                          void * stream) {
    static const auto next = real(&__cudaLaunchKernel, "__cudaLaunchKernel");
    return traced(kernel, grid, block, shared,
                  [&] { return next(kernel, grid, block, arguments, shared, stream); });
}

Status cudaLaunchKernel(const void * function, Dim3 grid, Dim3 block, void ** arguments,
                        size_t shared, void * stream) {
    static const auto next = real(&cudaLaunchKernel, "cudaLaunchKernel");
    return traced(function, grid, block, shared,
                  [&] { return next(function, grid, block, arguments, shared, stream); });
}

Status cudaLaunchCooperativeKernel(const void * function, Dim3 grid, Dim3 block, void ** arguments,
                                   size_t shared, void * stream) {
    static const auto next = real(&cudaLaunchCooperativeKernel, "cudaLaunchCooperativeKernel");
    return traced(function, grid, block, shared,
                  [&] { return next(function, grid, block, arguments, shared, stream); });
}

Status cudaLaunchKernelExC(const LaunchConfig * config, const void * function, void ** arguments) {
    static const auto next = real(&cudaLaunchKernelExC, "cudaLaunchKernelExC");
    return traced(function, config->grid, config->block, config->dynamic_shared,
                  [&] { return next(config, function, arguments); });
}

#pragma GCC visibility pop
}
