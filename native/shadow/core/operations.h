// What can be put on a stream.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include "core/kernels.h"
#include "core/memory.h"

namespace shadow {

struct Dim3 {
    std::uint32_t x = 1;
    std::uint32_t y = 1;
    std::uint32_t z = 1;

    std::uint64_t count() const { return static_cast<std::uint64_t>(x) * y * z; }
};

struct LaunchOptions {
    Dim3 grid;
    Dim3 block;
    Dim3 cluster;
    std::uint64_t dynamic_shared = 0;
    bool cooperative = false;
    bool programmatic = false;
};

struct KernelOperation {
    const Kernel * kernel = nullptr;
    const KernelCode * code = nullptr;
    LaunchOptions options;
    std::vector<std::uint8_t>
        parameter_block;  // empty where nobody asks: not captured, not executed
};

// A copy of `slices` times `rows` rows of `width` bytes.
struct CopyOperation {
    Address destination = 0;
    Address source = 0;
    std::uint64_t width = 0;
    std::uint64_t rows = 1;
    std::uint64_t slices = 1;
    std::uint64_t destination_pitch = 0;
    std::uint64_t source_pitch = 0;
    std::uint64_t destination_slice = 0;
    std::uint64_t source_slice = 0;
    const char * call = "";
    Place to;
    Place from;
};

struct SetOperation {
    Address destination = 0;
    std::uint64_t width = 0;
    std::uint64_t rows = 1;
    std::uint64_t pitch = 0;
    int value = 0;
    const char * call = "";
    Place to;
};

struct HostOperation {
    void (*function)(void *) = nullptr;
    void * data = nullptr;
};

// A library's call as the record shows it, and, in execute mode, what it does.
struct LibraryOperation {
    std::function<void()> execute;
};

using Operation =
    std::variant<KernelOperation, CopyOperation, SetOperation, HostOperation, LibraryOperation>;

}  // namespace shadow
