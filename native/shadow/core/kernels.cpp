#include "core/kernels.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/fatal.h"

namespace shadow {
namespace {

// __fatBinC_Wrapper_t of NVIDIA's fatbinary_section.h.
struct FatbinWrapper {
    std::int32_t magic;
    std::int32_t version;
    const void * data;
    const void * link_inputs;
};
constexpr std::int32_t kWrapperMagic = 0x466243b1;

std::string real_path(const char * path) {
    char * resolved = realpath(path, nullptr);
    std::string result = resolved != nullptr ? resolved : path;
    std::free(resolved);
    return result;
}

}  // namespace

Module * Kernels::add_module(const void * wrapper) {
    FatbinWrapper parts{};
    std::memcpy(&parts, wrapper, sizeof parts);
    if (parts.magic != kWrapperMagic) {
        fatal("a library registers device code in a form that is not known (wrapper magic " +
              std::to_string(parts.magic) + ")");
    }
    Dl_info info{};
    if (dladdr(parts.data, &info) == 0) {
        fatal("a fatbin is registered that lies in no library; was it linked at run time?");
    }
    auto module = std::make_unique<Module>();
    module->fatbin = parts.data;
    module->library = real_path(info.dli_fname);
    const LibraryIndex * index = index_of(module->library);
    if (index == nullptr) {
        fatal(module->library +
              " brings device code and is not among the libraries of this session; name it when "
              "the session is prepared");
    }
    const auto address = reinterpret_cast<std::uintptr_t>(parts.data) -
                         reinterpret_cast<std::uintptr_t>(info.dli_fbase);
    const auto found = index->fatbins.find(address);
    if (found == index->fatbins.end()) {
        fatal(module->library + " registers a fatbin at " + std::to_string(address) +
              " that its index does not have; the file changed after it was indexed");
    }
    module->code = &found->second;
    modules_.push_back(std::move(module));
    return modules_.back().get();
}

void Kernels::remove_module(Module * module) {
    const auto found =
        std::find_if(modules_.begin(), modules_.end(),
                     [module](const auto & candidate) { return candidate.get() == module; });
    if (found == modules_.end()) {
        return;
    }
    for (const void * function : module->functions) {
        const auto kernel = kernels_.find(function);
        if (kernel != kernels_.end()) {
            handles_.erase(kernel->second.get());
            kernels_.erase(kernel);
        }
    }
    modules_.erase(found);
}

void Kernels::add_kernel(Module * module, const void * function, const char * name) {
    auto kernel = std::make_unique<Kernel>();
    kernel->name = name;
    kernel->function = function;
    kernel->module = module;
    for (const Device & device : session_.devices) {
        KernelOnDevice here;
        const auto code = module->code->find(device.sm);
        if (code != module->code->end()) {
            const auto found = code->second.kernels.find(kernel->name);
            here.code = found == code->second.kernels.end() ? nullptr : &found->second;
        }
        if (here.code != nullptr) {
            here.limits.max_dynamic_shared =
                Device::shared_per_block -
                std::min<std::uint64_t>(here.code->static_shared, Device::shared_per_block);
        }
        kernel->devices.push_back(here);
    }
    module->functions.push_back(function);
    handles_[kernel.get()] = kernel.get();
    kernels_[function] = std::move(kernel);
}

Kernel * Kernels::find(const void * function_or_handle) {
    const auto function = kernels_.find(function_or_handle);
    if (function != kernels_.end()) {
        return function->second.get();
    }
    const auto handle = handles_.find(function_or_handle);
    return handle == handles_.end() ? nullptr : handle->second;
}

Kernel * Kernels::find_by_name(const std::string & name) {
    for (const auto & [function, kernel] : kernels_) {
        if (kernel->name == name) {
            return kernel.get();
        }
    }
    return nullptr;
}

const LibraryIndex * Kernels::index_of(const std::string & library) const {
    for (const auto & candidate : session_.libraries) {
        if (real_path(candidate->path.c_str()) == library) {
            return candidate.get();
        }
    }
    return nullptr;
}

}  // namespace shadow
