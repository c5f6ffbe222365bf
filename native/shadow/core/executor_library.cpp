#include "core/executor_library.h"

#include <dlfcn.h>

#include "core/fatal.h"

namespace shadow {
namespace {

template <typename Function>
Function symbol(void * library, const char * name, const std::string & path) {
    void * found = dlsym(library, name);
    if (found == nullptr) {
        fatal(path + " has no function " + name);
    }
    return reinterpret_cast<Function>(found);
}

std::string beside_this_library() {
    Dl_info info{};
    if (dladdr(reinterpret_cast<const void *>(&beside_this_library), &info) == 0) {
        fatal("cannot tell where the shadow runtime was loaded from");
    }
    const std::string self = info.dli_fname;
    return self.substr(0, self.rfind('/') + 1) + "libllamaproof_emulator.so";
}

}  // namespace

Executor::Executor(const std::string & path) {
    const std::string file = path.empty() ? beside_this_library() : path;
    void * library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        fatal(std::string("cannot open the library that executes kernels: ") + dlerror());
    }
    const auto abi =
        symbol<decltype(&llamaproof_executor_abi)>(library, "llamaproof_executor_abi", file);
    if (abi() != LLAMAPROOF_EXECUTOR_ABI) {
        fatal(file + " was built for another shadow runtime (ABI " + std::to_string(abi()) +
              ", this one is " + std::to_string(LLAMAPROOF_EXECUTOR_ABI) + ")");
    }
    memory_ = symbol<decltype(memory_)>(library, "llamaproof_executor_memory", file);
    launch_ = symbol<decltype(launch_)>(library, "llamaproof_executor_launch", file);
    message_ = symbol<decltype(message_)>(library, "llamaproof_executor_message", file);
}

}  // namespace shadow
