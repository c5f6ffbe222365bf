// Checks, and a session with two small cards and a few kernels, for tests of the shadow runtime.
#pragma once

#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "shadow.h"

#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            std::exit(1);                                                                \
        }                                                                                \
    } while (0)

#define CHECK_EQUAL(found, expected)                                                          \
    do {                                                                                      \
        const auto found_ = (found);                                                          \
        const auto expected_ = (expected);                                                    \
        if (!(found_ == expected_)) {                                                         \
            std::fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #found, \
                         (long long)found_, (long long)expected_);                            \
            std::exit(1);                                                                     \
        }                                                                                     \
    } while (0)

// What nvcc writes into every object.
extern "C" {
void ** __cudaRegisterFatBinary(void *);
void __cudaRegisterFatBinaryEnd(void **);
void __cudaUnregisterFatBinary(void **);
void __cudaRegisterFunction(void **, const char *, char *, const char *, int, uint3 *, uint3 *,
                            dim3 *, dim3 *, int *);
unsigned __cudaPushCallConfiguration(dim3, dim3, size_t, struct CUstream_st *);
cudaError_t __cudaPopCallConfiguration(dim3 *, dim3 *, size_t *, void *);
}

namespace harness {

inline const std::uint64_t fatbin[2] = {0x00100001BA55ED50, 0};
struct Wrapper {
    int magic = 0x466243b1;
    int version = 1;
    const void * data = fatbin;
    void * link = nullptr;
};
inline Wrapper wrapper;

// Host functions: their addresses are all that matters.
inline char plain, bounded, shared, lean, foreign;

inline std::string write(const std::string & path, const std::string & text) {
    std::ofstream(path) << text;
    return path;
}

// Write session and index into `folder` and register the kernels.
inline void ** start(const std::string & folder, const std::string & mode,
                     const std::string & executor = "") {
    Dl_info info{};
    CHECK(dladdr(fatbin, &info) != 0);
    const auto offset =
        reinterpret_cast<std::uintptr_t>(fatbin) - reinterpret_cast<std::uintptr_t>(info.dli_fbase);
    const std::string ptx = write(folder + "/kernels.ptx", "// PTX\n");
    const std::string index =
        write(folder + "/index.txt", "llamaproof-kernel-index 1\nfatbin " + std::to_string(offset) +
                                         "\ncode 89 cubin 89\nptx 80 " + ptx +
                                         "\n"
                                         "kernel plain 32 0 0 0 0 0 0:8 8:4\n"
                                         "kernel bounded 64 0 0 128 0 0 0:8\n"
                                         "kernel shared 40 8192 16 0 64 0 0:8\n"
                                         "code 75 ptx 70\n"
                                         "kernel plain 64 0 0 0 0 1 0:8 8:4\n"
                                         "end\n");
    const std::string rest =
        "multiprocessors 10\nmax_blocks_per_multiprocessor 16\nl2 1048576\n"
        "clock_khz 1\nmemory_clock_khz 1\nmemory_bus_bits 64\nintegrated 0\n";
    const std::string large =
        "sm 89\nmemory 51539607552\nmax_threads_per_multiprocessor 1536\n"
        "shared_per_multiprocessor 102400\nshared_per_block_optin 101376\n"
        "reserved_shared_per_block 1024\n";
    const std::string small =
        "sm 75\nmemory 1073741824\nmax_threads_per_multiprocessor 1024\n"
        "shared_per_multiprocessor 65536\nshared_per_block_optin 65536\n"
        "reserved_shared_per_block 0\n";
    const std::string session =
        write(folder + "/session.txt", "llamaproof-shadow-session 1\nmode " + mode + "\n" +
                                           (executor.empty() ? "" : "executor " + executor + "\n") +
                                           "device Large card\n" + large + rest +
                                           "device Small card\n" + small + rest + "library " +
                                           info.dli_fname + "\nindex " + index + "\n");
    setenv("LLAMAPROOF_SHADOW_SESSION", session.c_str(), 1);
    void ** handle = __cudaRegisterFatBinary(&wrapper);
    const std::map<const char *, const char *> functions = {
        {&plain, "plain"}, {&bounded, "bounded"}, {&shared, "shared"}, {&foreign, "foreign"}};
    for (const auto & [function, name] : functions) {
        __cudaRegisterFunction(handle, function, const_cast<char *>(name), name, -1, nullptr,
                               nullptr, nullptr, nullptr, nullptr);
    }
    __cudaRegisterFatBinaryEnd(handle);
    return handle;
}

inline cudaError_t launch(const void * function, dim3 grid, dim3 block, std::size_t dynamic = 0,
                          cudaStream_t stream = nullptr, void * pointer = nullptr, int number = 0) {
    void * arguments[] = {&pointer, &number};
    return cudaLaunchKernel(function, grid, block, arguments, dynamic, stream);
}

inline std::vector<llamaproof_record> drain() {
    std::vector<llamaproof_record> all;
    llamaproof_record some[64];
    while (const std::size_t count = llamaproof_shadow_drain(some, 64)) {
        all.insert(all.end(), some, some + count);
    }
    return all;
}

inline std::size_t count(const std::vector<llamaproof_record> & records,
                         llamaproof_record_kind kind) {
    std::size_t found = 0;
    for (const auto & record : records) {
        found += record.kind == kind ? 1 : 0;
    }
    return found;
}

}  // namespace harness
