// The kernels that the program's libraries registered, and the code each device has for them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/occupancy.h"
#include "core/session.h"

namespace shadow {

// What one device knows of a kernel.
struct KernelOnDevice {
    const KernelCode * code = nullptr;  // nullptr: nothing here runs on this device
    KernelLimits limits;
};

struct Module {
    const void * fatbin = nullptr;
    std::string library;
    const std::unordered_map<int, FatbinCode> * code = nullptr;  // by sm
    std::vector<const void *> functions;                         // host addresses
};

struct Kernel {
    std::string name;                 // mangled
    const void * function = nullptr;  // of the host
    Module * module = nullptr;
    std::vector<KernelOnDevice> devices;
};

// Not thread safe: the runtime holds its lock around every call.
class Kernels {
public:
    explicit Kernels(const Session & session) : session_(session) {}

    // `wrapper` is what __cudaRegisterFatBinary is given; the result is its handle.
    Module * add_module(const void * wrapper);
    void remove_module(Module * module);
    void add_kernel(Module * module, const void * function, const char * name);

    // The kernel of a host function or of a handle that find() returned; nullptr for neither.
    Kernel * find(const void * function_or_handle);
    Kernel * find_by_name(const std::string & name);

private:
    const LibraryIndex * index_of(const std::string & library) const;

    const Session & session_;
    std::vector<std::unique_ptr<Module>> modules_;
    std::unordered_map<const void *, std::unique_ptr<Kernel>> kernels_;
    std::unordered_map<const void *, Kernel *> handles_;
};

}  // namespace shadow
