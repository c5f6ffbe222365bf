// Kernels: their registration, what is known of them, and their launches.

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "core/occupancy.h"
#include "core/runtime.h"

namespace shadow {
namespace {

thread_local std::vector<CallConfiguration> configurations_of_thread;

bool fits(const Dim3 & size, const int (&limit)[3]) {
    return size.x >= 1 && size.y >= 1 && size.z >= 1 &&
           size.x <= static_cast<std::uint32_t>(limit[0]) &&
           size.y <= static_cast<std::uint32_t>(limit[1]) &&
           size.z <= static_cast<std::uint32_t>(limit[2]);
}

std::uint32_t flag_if(bool condition, llamaproof_launch_flag flag) {
    return condition ? static_cast<std::uint32_t>(flag) : 0;
}

std::uint32_t launch_flags(const KernelCode & code) {
    return flag_if(code.from_ptx, LLAMAPROOF_LAUNCH_FROM_PTX) |
           flag_if(code.estimated, LLAMAPROOF_LAUNCH_ESTIMATED);
}

}  // namespace

void * Runtime::register_fatbin(const void * wrapper) {
    const Lock lock(mutex_);
    return kernels_.add_module(wrapper);
}

void Runtime::unregister_fatbin(void * handle) {
    const Lock lock(mutex_);
    kernels_.remove_module(static_cast<Module *>(handle));
}

void Runtime::register_function(void * fatbin, const void * function, const char * name) {
    const Lock lock(mutex_);
    kernels_.add_kernel(static_cast<Module *>(fatbin), function, name);
}

void * Runtime::kernel_handle(const void * function) {
    const Lock lock(mutex_);
    return kernels_.find(function);
}

void Runtime::push_configuration(const CallConfiguration & configuration) {
    configurations_of_thread.push_back(configuration);
}

bool Runtime::pop_configuration(CallConfiguration * configuration) {
    if (configurations_of_thread.empty()) {
        return false;
    }
    *configuration = configurations_of_thread.back();
    configurations_of_thread.pop_back();
    return true;
}

bool Runtime::possible_sizes(const LaunchOptions & options) {
    return fits(options.block, Device::max_block) && fits(options.grid, Device::max_grid) &&
           options.block.count() <= static_cast<std::uint64_t>(Device::max_threads_per_block);
}

Status Runtime::launch(const void * function, const LaunchOptions & options, void ** arguments,
                       const void * stream_handle) {
    Lock lock(mutex_);
    Stream * stream = nullptr;
    if (const Status status = check_stream(stream_handle, &stream); status != Status::success) {
        return status;
    }
    const Kernel * kernel = kernels_.find(function);
    if (kernel == nullptr) {
        return Status::invalid_resource_handle;
    }
    const KernelOnDevice & here = kernel->devices[static_cast<std::size_t>(stream->device)];
    const Status status = check_launch(*device(stream->device), here, options);
    if (status != Status::success) {
        if (stream->capture) {
            stream->capture->invalidated = true;
        }
        return status;
    }
    KernelOperation operation{kernel, here.code, options, {}};
    if (executes() || stream->capture) {
        operation.parameter_block = pack(*here.code, arguments);
    }
    record_launch(*kernel, here, options, *stream);
    return submit(lock, stream, std::move(operation));
}

Status Runtime::check_launch(const Device & device, const KernelOnDevice & here,
                             const LaunchOptions & options) const {
    if (here.code == nullptr) {
        return Status::no_kernel_image;
    }
    const std::uint64_t threads = options.block.count();
    const bool within_bounds = here.code->max_threads == 0 || threads <= here.code->max_threads;
    if (!possible_sizes(options) || !within_bounds ||
        options.dynamic_shared > here.limits.max_dynamic_shared) {
        return Status::invalid_value;
    }
    if (threads > static_cast<std::uint64_t>(max_threads_per_block(device, *here.code))) {
        return Status::launch_out_of_resources;
    }
    if (options.cooperative) {
        const auto resident = static_cast<std::uint64_t>(resident_blocks(
            device, *here.code, here.limits, static_cast<int>(threads), options.dynamic_shared));
        if (options.grid.count() > resident * static_cast<std::uint64_t>(device.multiprocessors)) {
            return Status::cooperative_launch_too_large;
        }
    }
    return Status::success;
}

std::vector<std::uint8_t> Runtime::pack(const KernelCode & code, void ** arguments) const {
    std::vector<std::uint8_t> block(code.parameter_bytes);
    for (std::size_t i = 0; i < code.parameters.size(); ++i) {
        std::memcpy(block.data() + code.parameters[i].offset, arguments[i],
                    code.parameters[i].size);
    }
    return block;
}

Status Runtime::find_here(const void * function, KernelOnDevice ** here) {
    Kernel * kernel = kernels_.find(function);
    if (kernel == nullptr) {
        return Status::invalid_resource_handle;
    }
    *here = &kernel->devices[static_cast<std::size_t>(current_device())];
    return (*here)->code == nullptr ? Status::no_kernel_image : Status::success;
}

Status Runtime::function_attributes(const void * function, FunctionAttributes * attributes) {
    const Lock lock(mutex_);
    KernelOnDevice * here = nullptr;
    if (const Status status = find_here(function, &here); status != Status::success) {
        return status;
    }
    attributes->static_shared = here->code->static_shared;
    attributes->constant = here->code->constant;
    attributes->local = here->code->local;
    attributes->max_threads = max_threads_per_block(*device(current_device()), *here->code);
    attributes->registers = static_cast<int>(here->code->registers);
    attributes->code_sm = here->code->code_sm;
    attributes->max_dynamic_shared = here->limits.max_dynamic_shared;
    attributes->carveout = here->limits.carveout;
    return Status::success;
}

Status Runtime::set_function_limit(const void * function, FunctionLimit limit, int value) {
    const Lock lock(mutex_);
    KernelOnDevice * here = nullptr;
    if (const Status status = find_here(function, &here); status != Status::success) {
        return status;
    }
    if (limit == FunctionLimit::carveout) {
        if (value < -1 || value > 100) {
            return Status::invalid_value;
        }
        here->limits.carveout = value;
        return Status::success;
    }
    const std::uint64_t optin = device(current_device())->shared_per_block_optin;
    if (value < 0 || static_cast<std::uint64_t>(value) + here->code->static_shared > optin) {
        return Status::invalid_value;
    }
    here->limits.max_dynamic_shared = static_cast<std::uint64_t>(value);
    return Status::success;
}

Status Runtime::occupancy(const void * function, int block, std::uint64_t dynamic_shared,
                          int * blocks) {
    const Lock lock(mutex_);
    KernelOnDevice * here = nullptr;
    if (const Status status = find_here(function, &here); status != Status::success) {
        return status;
    }
    if (block <= 0) {
        return Status::invalid_value;
    }
    *blocks = resident_blocks(*device(current_device()), *here->code, here->limits, block,
                              dynamic_shared);
    return Status::success;
}

Status Runtime::available_shared(const void * function, int blocks, int block,
                                 std::uint64_t * bytes) {
    const Lock lock(mutex_);
    KernelOnDevice * here = nullptr;
    if (const Status status = find_here(function, &here); status != Status::success) {
        return status;
    }
    if (blocks <= 0 || block <= 0) {
        return Status::invalid_value;
    }
    *bytes = available_dynamic_shared(*device(current_device()), *here->code, here->limits, blocks,
                                      block);
    return Status::success;
}

bool Runtime::kernel_figures(const char * kernel_name, int device,
                             llamaproof_kernel_figures * figures) {
    const Lock lock(mutex_);
    const Kernel * kernel = kernels_.find_by_name(kernel_name);
    if (kernel == nullptr || this->device(device) == nullptr) {
        return false;
    }
    const KernelCode * code = kernel->devices[static_cast<std::size_t>(device)].code;
    if (code == nullptr) {
        return false;
    }
    *figures = {code->registers,
                code->static_shared,
                code->local,
                static_cast<std::uint32_t>(max_threads_per_block(*this->device(device), *code)),
                launch_flags(*code),
                static_cast<std::uint32_t>(code->code_sm)};
    return true;
}

void Runtime::record_launch(const Kernel & kernel, const KernelOnDevice & here,
                            const LaunchOptions & options, const Stream & stream) {
    const KernelCode & code = *here.code;
    llamaproof_record record = blank(LLAMAPROOF_RECORD_LAUNCH, kernel.name.c_str(), &stream);
    const Dim3 & cluster = options.cluster;
    const std::uint64_t values[12] = {
        options.grid.x,
        options.grid.y,
        options.grid.z,
        options.block.x,
        options.block.y,
        options.block.z,
        options.dynamic_shared,
        code.static_shared,
        code.registers,
        launch_flags(code) | flag_if(options.cooperative, LLAMAPROOF_LAUNCH_COOPERATIVE) |
            flag_if(options.programmatic, LLAMAPROOF_LAUNCH_PROGRAMMATIC),
        cluster.x | static_cast<std::uint64_t>(cluster.y) << 16 |
            static_cast<std::uint64_t>(cluster.z) << 32,
        static_cast<std::uint64_t>(resident_blocks(*device(stream.device), *here.code, here.limits,
                                                   static_cast<int>(options.block.count()),
                                                   options.dynamic_shared)),
    };
    std::copy(std::begin(values), std::end(values), std::begin(record.value));
    recorder_.add(record);
}

Status Runtime::execute_kernel(const KernelOperation & operation, std::uint64_t stream, int device,
                               std::uint64_t sequence) {
    const Kernel & kernel = *operation.kernel;
    const KernelCode & code = *operation.code;
    const LaunchOptions & options = operation.options;
    const FatbinCode & fatbin = kernel.module->code->at(this->device(device)->sm);
    llamaproof_launch launch{};
    launch.sequence = sequence;
    launch.kernel = kernel.name.c_str();
    launch.library = kernel.module->library.c_str();
    launch.ptx_path = fatbin.ptx_path.empty() ? nullptr : fatbin.ptx_path.c_str();
    launch.ptx_sm = fatbin.ptx_sm;
    launch.device = &executor_devices_[static_cast<std::size_t>(device)];
    launch.stream = stream;
    const Dim3 * const from[3] = {&options.grid, &options.block, &options.cluster};
    std::uint32_t * const to[3] = {launch.grid, launch.block, launch.cluster};
    for (int i = 0; i < 3; ++i) {
        to[i][0] = from[i]->x;
        to[i][1] = from[i]->y;
        to[i][2] = from[i]->z;
    }
    launch.cooperative = options.cooperative ? 1 : 0;
    launch.dynamic_shared_bytes = options.dynamic_shared;
    launch.static_shared_bytes = code.static_shared;
    launch.registers = code.estimated ? 0 : code.registers;
    launch.parameter_count = static_cast<std::uint32_t>(code.parameters.size());
    launch.parameters = code.parameters.data();
    launch.parameter_block = operation.parameter_block.data();
    launch.parameter_bytes = operation.parameter_block.size();
    if (executor_->launch(launch) != 0) {
        std::fprintf(stderr, "llamaproof: %s: %s\n", launch.kernel, executor_->message());
        fault_ = Status::launch_failure;
    }
    return fault_;
}

}  // namespace shadow
