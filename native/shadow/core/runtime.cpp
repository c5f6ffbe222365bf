#include "core/runtime.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "core/occupancy.h"

namespace shadow {
namespace {

thread_local int current_device_of_thread = 0;
thread_local Status last_error_of_thread = Status::success;
thread_local std::vector<CallConfiguration> configurations_of_thread;

std::uint64_t thread_id() {
    thread_local const auto id = static_cast<std::uint64_t>(syscall(SYS_gettid));
    return id;
}

Address address_of(const void* pointer) { return reinterpret_cast<Address>(pointer); }

bool fits(const Dim3& size, const int (&limit)[3]) {
    return size.x >= 1 && size.y >= 1 && size.z >= 1 &&
           size.x <= static_cast<std::uint32_t>(limit[0]) &&
           size.y <= static_cast<std::uint32_t>(limit[1]) &&
           size.z <= static_cast<std::uint32_t>(limit[2]);
}

std::uint64_t extent(std::uint64_t width, std::uint64_t rows, std::uint64_t pitch,
                     std::uint64_t slices, std::uint64_t slice_pitch) {
    return slice_pitch * (slices - 1) + pitch * (rows - 1) + width;
}

llamaproof_copy_direction direction_of(const Place& to, const Place& from) {
    const bool to_device = to.on_device();
    const bool from_device = from.on_device();
    if (to_device && from_device) {
        return to.device == from.device ? LLAMAPROOF_COPY_DEVICE_TO_DEVICE : LLAMAPROOF_COPY_PEER;
    }
    if (to_device) {
        return LLAMAPROOF_COPY_HOST_TO_DEVICE;
    }
    return from_device ? LLAMAPROOF_COPY_DEVICE_TO_HOST : LLAMAPROOF_COPY_HOST_TO_HOST;
}

// 32-bit words that count up to `modulus` and begin again.
void fill_counting(std::uint8_t* to, std::uint64_t bytes, std::uint32_t modulus) {
    if (modulus == 1) {
        std::memset(to, 0, bytes);
        return;
    }
    std::uint32_t word = 0;
    for (std::uint64_t at = 0; at < bytes; at += sizeof word) {
        std::memcpy(to + at, &word, std::min<std::uint64_t>(sizeof word, bytes - at));
        word = word + 1 == modulus ? 0 : word + 1;
    }
}

std::uint32_t flag_if(bool condition, llamaproof_launch_flag flag) {
    return condition ? static_cast<std::uint32_t>(flag) : 0;
}

std::uint32_t launch_flags(const KernelCode& code) {
    return flag_if(code.from_ptx, LLAMAPROOF_LAUNCH_FROM_PTX) |
           flag_if(code.estimated, LLAMAPROOF_LAUNCH_ESTIMATED);
}

}  // namespace

Runtime& Runtime::get() {
    // Never destroyed: libraries unregister their code while the process exits.
    static Runtime* const runtime = new Runtime();
    return *runtime;
}

Runtime::Runtime()
    : session_(Session::from_environment()),
      memory_(session_),
      kernels_(session_),
      streams_(session_.devices.size()) {
    if (!executes()) {
        return;
    }
    executor_ = std::make_unique<Executor>(session_.executor);
    memory_.listen(
        [this](const llamaproof_memory_event& event) { executor_->memory(event); });
    for (int i = 0; i < device_count(); ++i) {
        const Device& device = session_.devices[static_cast<std::size_t>(i)];
        executor_devices_.push_back({i, device.sm, device.multiprocessors, Device::warp_size,
                                     device.shared_per_block_optin,
                                     device.shared_per_multiprocessor, device.l2,
                                     device.name.c_str()});
    }
}

int Runtime::finish(const char* call, Status status) {
    const Lock lock(mutex_);
    const Status seen = outcome(call, status);
    if (seen != Status::success) {
        last_error_of_thread = seen;
    }
    return static_cast<int>(seen);
}

int Runtime::finish_driver(const char* call, Status status) {
    const Lock lock(mutex_);
    return static_cast<int>(outcome(call, status));
}

Status Runtime::outcome(const char* call, Status status) {
    if (fault_ != Status::success) {
        status = fault_;
    }
    if (status != Status::success) {
        llamaproof_record record = blank(LLAMAPROOF_RECORD_REFUSED, call, nullptr);
        record.status = static_cast<int>(status);
        recorder_.add(record);
    }
    return status;
}

int Runtime::last_error(bool clear) {
    const Lock lock(mutex_);
    const Status status = fault_ != Status::success ? fault_ : last_error_of_thread;
    if (clear) {
        last_error_of_thread = Status::success;
    }
    return static_cast<int>(status);
}

const Device* Runtime::device(int ordinal) const {
    if (ordinal < 0 || ordinal >= device_count()) {
        return nullptr;
    }
    return &session_.devices[static_cast<std::size_t>(ordinal)];
}

int Runtime::current_device() const { return current_device_of_thread; }

Status Runtime::set_device(int ordinal) {
    if (device(ordinal) == nullptr) {
        return session_.devices.empty() ? Status::no_device : Status::invalid_device;
    }
    current_device_of_thread = ordinal;
    return Status::success;
}

Status Runtime::memory_info(std::uint64_t* free, std::uint64_t* total) {
    const Lock lock(mutex_);
    if (session_.devices.empty()) {
        return Status::no_device;
    }
    const Usage usage = memory_.usage(current_device_of_thread);
    *free = usage.total - usage.current;
    *total = usage.total;
    return Status::success;
}

Status Runtime::enable_peer(int peer, bool enable) {
    const Lock lock(mutex_);
    if (device(peer) == nullptr || peer == current_device_of_thread) {
        return Status::invalid_device;
    }
    const std::pair<int, int> link{current_device_of_thread, peer};
    if (enable) {
        return peers_.insert(link).second ? Status::success : Status::peer_access_already_enabled;
    }
    return peers_.erase(link) > 0 ? Status::success : Status::peer_access_not_enabled;
}

Status Runtime::synchronize_device() {
    const Lock lock(mutex_);
    return streams_.forbid_wait_for_all();
}

void* Runtime::register_fatbin(const void* wrapper) {
    const Lock lock(mutex_);
    return kernels_.add_module(wrapper);
}

void Runtime::unregister_fatbin(void* handle) {
    const Lock lock(mutex_);
    kernels_.remove_module(static_cast<Module*>(handle));
}

void Runtime::register_function(void* fatbin, const void* function, const char* name) {
    const Lock lock(mutex_);
    kernels_.add_kernel(static_cast<Module*>(fatbin), function, name);
}

void* Runtime::kernel_handle(const void* function) {
    const Lock lock(mutex_);
    return kernels_.find(function);
}

void Runtime::push_configuration(const CallConfiguration& configuration) {
    configurations_of_thread.push_back(configuration);
}

bool Runtime::pop_configuration(CallConfiguration* configuration) {
    if (configurations_of_thread.empty()) {
        return false;
    }
    *configuration = configurations_of_thread.back();
    configurations_of_thread.pop_back();
    return true;
}

bool Runtime::possible_sizes(const LaunchOptions& options) {
    return fits(options.block, Device::max_block) && fits(options.grid, Device::max_grid) &&
           options.block.count() <= static_cast<std::uint64_t>(Device::max_threads_per_block);
}

Status Runtime::launch(const void* function, const LaunchOptions& options, void** arguments,
                       const void* stream_handle) {
    Lock lock(mutex_);
    Stream* stream = nullptr;
    if (const Status status = check_stream(stream_handle, &stream); status != Status::success) {
        return status;
    }
    const Kernel* kernel = kernels_.find(function);
    if (kernel == nullptr) {
        return Status::invalid_resource_handle;
    }
    const KernelOnDevice& here = kernel->devices[static_cast<std::size_t>(stream->device)];
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

Status Runtime::check_launch(const Device& device, const KernelOnDevice& here,
                             const LaunchOptions& options) const {
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
        const auto resident = static_cast<std::uint64_t>(
            resident_blocks(device, *here.code, here.limits, static_cast<int>(threads),
                            options.dynamic_shared));
        if (options.grid.count() >
            resident * static_cast<std::uint64_t>(device.multiprocessors)) {
            return Status::cooperative_launch_too_large;
        }
    }
    return Status::success;
}

std::vector<std::uint8_t> Runtime::pack(const KernelCode& code, void** arguments) const {
    std::vector<std::uint8_t> block(code.parameter_bytes);
    for (std::size_t i = 0; i < code.parameters.size(); ++i) {
        std::memcpy(block.data() + code.parameters[i].offset, arguments[i],
                    code.parameters[i].size);
    }
    return block;
}

Status Runtime::function_attributes(const void* function, FunctionAttributes* attributes) {
    const Lock lock(mutex_);
    const Kernel* kernel = kernels_.find(function);
    if (kernel == nullptr) {
        return Status::invalid_resource_handle;
    }
    const KernelOnDevice& here = kernel->devices[static_cast<std::size_t>(current_device())];
    if (here.code == nullptr) {
        return Status::no_kernel_image;
    }
    attributes->static_shared = here.code->static_shared;
    attributes->constant = here.code->constant;
    attributes->local = here.code->local;
    attributes->max_threads = max_threads_per_block(*device(current_device()), *here.code);
    attributes->registers = static_cast<int>(here.code->registers);
    attributes->code_sm = here.code->code_sm;
    attributes->max_dynamic_shared = here.limits.max_dynamic_shared;
    attributes->carveout = here.limits.carveout;
    return Status::success;
}

Status Runtime::set_function_limit(const void* function, FunctionLimit limit, int value) {
    const Lock lock(mutex_);
    Kernel* kernel = kernels_.find(function);
    if (kernel == nullptr) {
        return Status::invalid_resource_handle;
    }
    KernelOnDevice& here = kernel->devices[static_cast<std::size_t>(current_device())];
    if (here.code == nullptr) {
        return Status::no_kernel_image;
    }
    if (limit == FunctionLimit::carveout) {
        if (value < -1 || value > 100) {
            return Status::invalid_value;
        }
        here.limits.carveout = value;
        return Status::success;
    }
    const std::uint64_t optin = device(current_device())->shared_per_block_optin;
    if (value < 0 || static_cast<std::uint64_t>(value) + here.code->static_shared > optin) {
        return Status::invalid_value;
    }
    here.limits.max_dynamic_shared = static_cast<std::uint64_t>(value);
    return Status::success;
}

Status Runtime::occupancy(const void* function, int block, std::uint64_t dynamic_shared,
                          int* blocks) {
    const Lock lock(mutex_);
    const Kernel* kernel = kernels_.find(function);
    if (kernel == nullptr) {
        return Status::invalid_resource_handle;
    }
    const KernelOnDevice& here = kernel->devices[static_cast<std::size_t>(current_device())];
    if (here.code == nullptr) {
        return Status::no_kernel_image;
    }
    if (block <= 0) {
        return Status::invalid_value;
    }
    *blocks = resident_blocks(*device(current_device()), *here.code, here.limits, block,
                              dynamic_shared);
    return Status::success;
}

Status Runtime::available_shared(const void* function, int blocks, int block,
                                 std::uint64_t* bytes) {
    const Lock lock(mutex_);
    const Kernel* kernel = kernels_.find(function);
    if (kernel == nullptr) {
        return Status::invalid_resource_handle;
    }
    const KernelOnDevice& here = kernel->devices[static_cast<std::size_t>(current_device())];
    if (here.code == nullptr) {
        return Status::no_kernel_image;
    }
    if (blocks <= 0 || block <= 0) {
        return Status::invalid_value;
    }
    *bytes = available_dynamic_shared(*device(current_device()), *here.code, here.limits, blocks,
                                      block);
    return Status::success;
}

Status Runtime::allocate(void** address, std::uint64_t bytes) {
    const Lock lock(mutex_);
    if (session_.devices.empty()) {
        return Status::no_device;
    }
    if (const Status status = streams_.forbid_during_capture(thread_id());
        status != Status::success) {
        return status;
    }
    Address place = 0;
    Allocation allocation;
    const Status status = memory_.allocate(current_device(), bytes, &place, &allocation);
    if (status == Status::success && place != 0) {
        record_allocation(LLAMAPROOF_RECORD_ALLOCATE, "cudaMalloc", place, allocation);
    }
    *address = reinterpret_cast<void*>(place);
    return status;
}

Status Runtime::allocate_managed(void** address, std::uint64_t bytes) {
    const Lock lock(mutex_);
    if (session_.devices.empty()) {
        return Status::no_device;
    }
    if (const Status status = streams_.forbid_during_capture(thread_id());
        status != Status::success) {
        return status;
    }
    Address place = 0;
    Allocation allocation;
    const Status status = memory_.allocate_managed(current_device(), bytes, &place, &allocation);
    if (status == Status::success && place != 0) {
        record_allocation(LLAMAPROOF_RECORD_ALLOCATE, "cudaMallocManaged", place, allocation);
    }
    *address = reinterpret_cast<void*>(place);
    return status;
}

Status Runtime::free(void* address) {
    const Lock lock(mutex_);
    if (address == nullptr) {
        return Status::success;
    }
    if (const Status status = streams_.forbid_during_capture(thread_id());
        status != Status::success) {
        return status;
    }
    Allocation freed;
    const Status status = memory_.free(address_of(address), &freed);
    if (status == Status::success) {
        record_allocation(LLAMAPROOF_RECORD_FREE, "cudaFree", address_of(address), freed);
    }
    return status;
}

Status Runtime::allocate_host(void** address, std::uint64_t bytes) {
    const Lock lock(mutex_);
    if (session_.devices.empty()) {
        return Status::no_device;
    }
    if (const Status status = streams_.forbid_during_capture(thread_id());
        status != Status::success) {
        return status;
    }
    Address place = 0;
    Allocation allocation;
    const Status status = memory_.allocate_host(bytes, &place, &allocation);
    if (status == Status::success && place != 0) {
        record_allocation(LLAMAPROOF_RECORD_ALLOCATE, "cudaMallocHost", place, allocation);
    }
    *address = reinterpret_cast<void*>(place);
    return status;
}

Status Runtime::free_host(void* address) {
    const Lock lock(mutex_);
    if (address == nullptr) {
        return Status::success;
    }
    if (const Status status = streams_.forbid_during_capture(thread_id());
        status != Status::success) {
        return status;
    }
    Allocation freed;
    const Status status = memory_.free_host(address_of(address), &freed);
    if (status == Status::success) {
        record_allocation(LLAMAPROOF_RECORD_FREE, "cudaFreeHost", address_of(address), freed);
    }
    return status;
}

Status Runtime::register_host(void* address, std::uint64_t bytes) {
    const Lock lock(mutex_);
    if (const Status status = streams_.forbid_during_capture(thread_id());
        status != Status::success) {
        return status;
    }
    const Status status = memory_.register_host(address_of(address), bytes);
    if (status == Status::success) {
        record_allocation(LLAMAPROOF_RECORD_ALLOCATE, "cudaHostRegister", address_of(address),
                          {bytes, 0, LLAMAPROOF_MEMORY_REGISTERED, -1});
    }
    return status;
}

Status Runtime::unregister_host(void* address) {
    const Lock lock(mutex_);
    if (const Status status = streams_.forbid_during_capture(thread_id());
        status != Status::success) {
        return status;
    }
    Allocation freed;
    const Status status = memory_.unregister_host(address_of(address), &freed);
    if (status == Status::success) {
        record_allocation(LLAMAPROOF_RECORD_FREE, "cudaHostUnregister", address_of(address),
                          {freed.bytes, 0, freed.kind, -1});
    }
    return status;
}

Status Runtime::copy(CopyOperation copy, int direction, const void* const* stream_handle) {
    Lock lock(mutex_);
    Stream* stream = streams_.default_stream(current_device());
    if (stream_handle != nullptr) {
        if (const Status status = check_stream(*stream_handle, &stream);
            status != Status::success) {
            return status;
        }
    } else if (const Status status = streams_.forbid_legacy(); status != Status::success) {
        return status;
    }
    if (copy.width == 0 || copy.rows == 0 || copy.slices == 0) {
        return Status::success;
    }
    copy.to = memory_.place(copy.destination, extent(copy.width, copy.rows, copy.destination_pitch,
                                                     copy.slices, copy.destination_slice));
    copy.from = memory_.place(copy.source, extent(copy.width, copy.rows, copy.source_pitch,
                                                  copy.slices, copy.source_slice));
    if (copy.to.where == Where::bad || copy.from.where == Where::bad || copy.destination == 0 ||
        copy.source == 0) {
        return Status::invalid_value;
    }
    // cudaMemcpyKind: to and from the device only where memory the device sees is named.
    const bool to_device = copy.to.where != Where::pageable_host;
    const bool from_device = copy.from.where != Where::pageable_host;
    if ((direction == 1 && !to_device) || (direction == 2 && !from_device) ||
        (direction == 3 && (!to_device || !from_device))) {
        return Status::invalid_value;
    }
    if (direction < 0 || direction > 4) {
        return Status::invalid_memcpy_direction;
    }
    record_copy(copy, *stream);
    return submit(lock, stream, copy);
}

Status Runtime::set(SetOperation set, const void* const* stream_handle) {
    Lock lock(mutex_);
    Stream* stream = streams_.default_stream(current_device());
    if (stream_handle != nullptr) {
        if (const Status status = check_stream(*stream_handle, &stream);
            status != Status::success) {
            return status;
        }
    } else if (const Status status = streams_.forbid_legacy(); status != Status::success) {
        return status;
    }
    if (set.width == 0 || set.rows == 0) {
        return Status::success;
    }
    set.to = memory_.place(set.destination, extent(set.width, set.rows, set.pitch, 1, 0));
    if (set.to.where == Where::bad || set.to.where == Where::pageable_host) {
        return Status::invalid_value;
    }
    llamaproof_record record = blank(LLAMAPROOF_RECORD_SET, set.call, stream);
    record.value[0] = set.destination;
    record.value[1] = set.width;
    record.value[2] = set.rows;
    record.value[3] = static_cast<std::uint64_t>(set.value & 0xFF);
    recorder_.add(record);
    return submit(lock, stream, set);
}

Place Runtime::place(const void* address, Address* start, std::uint64_t* bytes) {
    const Lock lock(mutex_);
    *start = address_of(address);
    *bytes = 0;
    if (const Allocation* found = memory_.find(address_of(address), start)) {
        *bytes = found->bytes;
    }
    return memory_.place(address_of(address), 1);
}

Status Runtime::reserve(std::uint64_t bytes, Address* address) {
    const Lock lock(mutex_);
    return memory_.reserve(bytes, address);
}

Status Runtime::unreserve(Address address, std::uint64_t bytes) {
    const Lock lock(mutex_);
    return memory_.unreserve(address, bytes);
}

Status Runtime::create_physical(int device, std::uint64_t bytes, std::uint64_t* handle) {
    const Lock lock(mutex_);
    if (this->device(device) == nullptr) {
        return Status::invalid_device;
    }
    Allocation allocation;
    const Status status = memory_.create_physical(device, bytes, handle, &allocation);
    if (status == Status::success) {
        record_allocation(LLAMAPROOF_RECORD_ALLOCATE, "cuMemCreate", *handle, allocation);
    }
    return status;
}

Status Runtime::release_physical(std::uint64_t handle) {
    const Lock lock(mutex_);
    Memory::Freed freed;
    const Status status = memory_.release_physical(handle, &freed);
    for (const auto& [ended, allocation] : freed) {
        record_allocation(LLAMAPROOF_RECORD_FREE, "cuMemRelease", ended, allocation);
    }
    return status;
}

Status Runtime::map(Address address, std::uint64_t bytes, std::uint64_t offset,
                    std::uint64_t handle) {
    const Lock lock(mutex_);
    return memory_.map(address, bytes, offset, handle);
}

Status Runtime::unmap(Address address, std::uint64_t bytes) {
    const Lock lock(mutex_);
    Memory::Freed freed;
    const Status status = memory_.unmap(address, bytes, &freed);
    for (const auto& [ended, allocation] : freed) {
        record_allocation(LLAMAPROOF_RECORD_FREE, "cuMemUnmap", ended, allocation);
    }
    return status;
}

Status Runtime::set_access(Address address, std::uint64_t bytes, bool readable) {
    const Lock lock(mutex_);
    return memory_.set_access(address, bytes, readable);
}

Status Runtime::create_stream(bool blocking, void** stream) {
    const Lock lock(mutex_);
    if (session_.devices.empty()) {
        return Status::no_device;
    }
    *stream = streams_.create(current_device(), blocking);
    return Status::success;
}

Status Runtime::destroy_stream(const void* handle) {
    const Lock lock(mutex_);
    Stream* stream = streams_.find(handle, current_device());
    return stream == nullptr || stream->id == 0 ? Status::invalid_resource_handle
                                                : streams_.destroy(stream);
}

Status Runtime::synchronize_stream(const void* handle) {
    const Lock lock(mutex_);
    Stream* stream = nullptr;
    const Status status = check_stream(handle, &stream);
    return status == Status::success ? streams_.forbid_wait(stream, thread_id()) : status;
}

Status Runtime::create_event(void** event) {
    const Lock lock(mutex_);
    if (session_.devices.empty()) {
        return Status::no_device;
    }
    *event = streams_.create_event(current_device());
    return Status::success;
}

Status Runtime::destroy_event(const void* event) {
    const Lock lock(mutex_);
    return streams_.destroy_event(event);
}

Status Runtime::record_event(const void* event_handle, const void* stream_handle) {
    const Lock lock(mutex_);
    Event* event = streams_.find_event(event_handle);
    if (event == nullptr) {
        return Status::invalid_resource_handle;
    }
    Stream* stream = nullptr;
    const Status status = check_stream(stream_handle, &stream);
    return status == Status::success ? streams_.record(event, stream) : status;
}

Status Runtime::wait_event(const void* stream_handle, const void* event_handle) {
    const Lock lock(mutex_);
    Event* event = streams_.find_event(event_handle);
    Stream* stream = streams_.find(stream_handle, current_device());
    if (event == nullptr || stream == nullptr) {
        return Status::invalid_resource_handle;
    }
    return streams_.wait(stream, event);
}

Status Runtime::synchronize_event(const void* event_handle) {
    const Lock lock(mutex_);
    Event* event = streams_.find_event(event_handle);
    return event == nullptr ? Status::invalid_resource_handle
                            : streams_.synchronize(event, thread_id());
}

Status Runtime::host_function(const void* handle, void (*function)(void*), void* data) {
    Lock lock(mutex_);
    Stream* stream = nullptr;
    if (const Status status = check_stream(handle, &stream); status != Status::success) {
        return status;
    }
    return submit(lock, stream, HostOperation{function, data});
}

Status Runtime::is_capturing(const void* handle, int* status) {
    const Lock lock(mutex_);
    const Stream* stream = streams_.find(handle, current_device());
    if (stream == nullptr) {
        return Status::invalid_resource_handle;
    }
    // cudaStreamCaptureStatus: none, active, invalidated.
    *status = !stream->capture ? 0 : stream->capture->invalidated ? 2 : 1;
    return Status::success;
}

Status Runtime::begin_capture(const void* handle, int mode) {
    const Lock lock(mutex_);
    Stream* stream = streams_.find(handle, current_device());
    if (stream == nullptr) {
        return Status::invalid_resource_handle;
    }
    if (mode < 0 || mode > 2) {
        return Status::invalid_value;
    }
    const Status status =
        streams_.begin_capture(stream, static_cast<CaptureMode>(mode), thread_id());
    if (status == Status::success) {
        recorder_.add(
            blank(LLAMAPROOF_RECORD_CAPTURE_BEGIN, "cudaStreamBeginCapture", stream));
    }
    return status;
}

Status Runtime::end_capture(const void* handle, void** graph) {
    const Lock lock(mutex_);
    Stream* stream = streams_.find(handle, current_device());
    if (stream == nullptr) {
        return Status::invalid_resource_handle;
    }
    *graph = nullptr;
    llamaproof_record record =
        blank(LLAMAPROOF_RECORD_CAPTURE_END, "cudaStreamEndCapture", stream);
    std::shared_ptr<Graph> captured;
    const Status status = streams_.end_capture(stream, thread_id(), &captured);
    if (status != Status::success) {
        return status;
    }
    record.value[0] = captured->nodes.size();
    record.value[1] = captured->kernel_nodes();
    recorder_.add(record);
    *graph = captured.get();
    graphs_[captured.get()] = captured;
    return Status::success;
}

Status Runtime::destroy_graph(const void* graph) {
    const Lock lock(mutex_);
    return graphs_.erase(graph) > 0 ? Status::success : Status::invalid_value;
}

Status Runtime::instantiate(const void* graph, void** executable) {
    const Lock lock(mutex_);
    const auto found = graphs_.find(graph);
    if (found == graphs_.end()) {
        return Status::invalid_value;
    }
    auto made = std::make_unique<ExecutableGraph>();
    made->id = next_executable_++;
    made->device = current_device();
    made->graph = *found->second;
    llamaproof_record record =
        blank(LLAMAPROOF_RECORD_GRAPH_INSTANTIATE, "cudaGraphInstantiate", nullptr);
    record.capture = made->graph.id;
    record.value[0] = made->id;
    record.value[1] = made->graph.nodes.size();
    record.value[2] = made->graph.kernel_nodes();
    recorder_.add(record);
    *executable = made.get();
    executables_[made.get()] = std::move(made);
    return Status::success;
}

Status Runtime::update(const void* executable, const void* graph, UpdateResult* result) {
    const Lock lock(mutex_);
    const auto to = executables_.find(executable);
    const auto from = graphs_.find(graph);
    if (to == executables_.end() || from == graphs_.end()) {
        return Status::invalid_value;
    }
    const Graph& before = to->second->graph;
    if (!before.same_edges(*from->second)) {
        *result = UpdateResult::topology_changed;
        return Status::graph_exec_update_failure;
    }
    if (!before.same_kinds(*from->second)) {
        *result = UpdateResult::node_type_changed;
        return Status::graph_exec_update_failure;
    }
    *result = UpdateResult::success;
    to->second->graph = *from->second;
    llamaproof_record record =
        blank(LLAMAPROOF_RECORD_GRAPH_UPDATE, "cudaGraphExecUpdate", nullptr);
    record.capture = from->second->id;
    record.value[0] = to->second->id;
    record.value[1] = from->second->nodes.size();
    record.value[2] = from->second->kernel_nodes();
    recorder_.add(record);
    return Status::success;
}

Status Runtime::launch_graph(const void* executable, const void* stream_handle) {
    Lock lock(mutex_);
    Stream* stream = nullptr;
    if (const Status status = check_stream(stream_handle, &stream); status != Status::success) {
        return status;
    }
    const auto found = executables_.find(executable);
    if (found == executables_.end()) {
        return Status::invalid_value;
    }
    if (stream->capture) {
        fatal("cudaGraphLaunch on a stream that is being captured (a child graph) is not known");
    }
    const Graph graph = found->second->graph;
    const int device = found->second->device;
    llamaproof_record record =
        blank(LLAMAPROOF_RECORD_GRAPH_LAUNCH, "cudaGraphLaunch", stream);
    record.capture = graph.id;
    record.value[0] = found->second->id;
    record.value[1] = graph.nodes.size();
    record.value[2] = graph.kernel_nodes();
    recorder_.add(record);
    const std::uint64_t id = stream->id;
    for (const Node& node : graph.nodes) {
        const Status status = perform(lock, *node.operation, id, device, record.sequence);
        if (status != Status::success) {
            return status;
        }
    }
    return Status::success;
}

Status Runtime::destroy_executable(const void* executable) {
    const Lock lock(mutex_);
    return executables_.erase(executable) > 0 ? Status::success : Status::invalid_value;
}

Status Runtime::graph_nodes(const void* graph, const void** nodes, std::size_t* count) {
    const Lock lock(mutex_);
    const auto found = graphs_.find(graph);
    if (found == graphs_.end()) {
        return Status::invalid_value;
    }
    const std::vector<Node>& all = found->second->nodes;
    for (std::size_t i = 0; nodes != nullptr && i < *count; ++i) {
        nodes[i] = i < all.size() ? &all[i] : nullptr;
    }
    *count = nodes == nullptr ? all.size() : std::min(*count, all.size());
    return Status::success;
}

Node* Runtime::find_node(const void* handle) {
    for (const auto& [address, graph] : graphs_) {
        for (Node& node : graph->nodes) {
            if (&node == handle) {
                return &node;
            }
        }
    }
    return nullptr;
}

Status Runtime::node_kind(const void* handle, NodeKind* kind) {
    const Lock lock(mutex_);
    const Node* node = find_node(handle);
    if (node == nullptr) {
        return Status::invalid_value;
    }
    if (std::holds_alternative<CopyOperation>(*node->operation)) {
        *kind = NodeKind::copy;
    } else if (std::holds_alternative<SetOperation>(*node->operation)) {
        *kind = NodeKind::set;
    } else if (std::holds_alternative<HostOperation>(*node->operation)) {
        *kind = NodeKind::host;
    } else {
        *kind = NodeKind::kernel;  // what a library does is kernels too
    }
    return Status::success;
}

Status Runtime::kernel_node(const void* handle, const void** function, LaunchOptions* options,
                            const void* const** arguments) {
    const Lock lock(mutex_);
    Node* node = find_node(handle);
    const auto* kernel =
        node == nullptr ? nullptr : std::get_if<KernelOperation>(node->operation.get());
    if (kernel == nullptr) {
        return Status::invalid_value;
    }
    node->arguments.clear();
    for (const llamaproof_parameter& parameter : kernel->code->parameters) {
        node->arguments.push_back(kernel->parameter_block.data() + parameter.offset);
    }
    *function = kernel->kernel->function;
    *options = kernel->options;
    *arguments = node->arguments.data();
    return Status::success;
}

Status Runtime::set_kernel_node(const void* handle, const void* function,
                                const LaunchOptions& options, void** arguments) {
    const Lock lock(mutex_);
    Node* node = find_node(handle);
    const Kernel* kernel = kernels_.find(function);
    if (node == nullptr || kernel == nullptr ||
        !std::holds_alternative<KernelOperation>(*node->operation)) {
        return Status::invalid_value;
    }
    const auto here = static_cast<std::size_t>(current_device());
    const KernelOnDevice& code = kernel->devices[here];
    const Status status = check_launch(session_.devices[here], code, options);
    if (status != Status::success) {
        return status;
    }
    node->operation = std::make_shared<const Operation>(
        KernelOperation{kernel, code.code, options, pack(*code.code, arguments)});
    node->arguments.clear();
    return Status::success;
}

Status Runtime::library_call(const LibraryCall& call, const void* stream_handle,
                             std::function<void()> execute) {
    Lock lock(mutex_);
    Stream* stream = nullptr;
    if (const Status status = check_stream(stream_handle, &stream); status != Status::success) {
        return status;
    }
    llamaproof_record record = blank(LLAMAPROOF_RECORD_LIBRARY_CALL, call.name, stream);
    const std::int64_t figures[12] = {call.m,           call.n,           call.k,
                                      call.batch,       call.type_a,      call.type_b,
                                      call.type_c,      call.compute,     call.transpose_a,
                                      call.transpose_b, call.lda | call.ldb << 32, call.ldc};
    std::copy(std::begin(figures), std::end(figures), std::begin(record.value));
    recorder_.add(record);
    return submit(lock, stream, LibraryOperation{executes() ? std::move(execute) : nullptr});
}

void Runtime::library_touches(bool writes, const void* address, std::uint64_t bytes,
                              const char* call) {
    const Place place = memory_.place(address_of(address), bytes);
    memory_.tell(writes ? LLAMAPROOF_MEMORY_WRITTEN : LLAMAPROOF_MEMORY_READ, place.device,
                 address_of(address), bytes, 0, call);
}

std::size_t Runtime::drain(llamaproof_record* records, std::size_t capacity) {
    const Lock lock(mutex_);
    return recorder_.drain(records, capacity);
}

std::uint64_t Runtime::dropped() {
    const Lock lock(mutex_);
    return recorder_.dropped();
}

void Runtime::reset() {
    const Lock lock(mutex_);
    recorder_.reset();
    memory_.restart_peaks();
}

void Runtime::mark(const char* label) {
    const Lock lock(mutex_);
    recorder_.add(blank(LLAMAPROOF_RECORD_MARK, label, nullptr));
}

void Runtime::read_back(std::uint32_t modulus) {
    const Lock lock(mutex_);
    read_back_modulus_ = modulus;
}

const char* Runtime::name(std::uint32_t id) {
    const Lock lock(mutex_);
    return names_.text(id);
}

const char* Runtime::demangled(std::uint32_t id) {
    const Lock lock(mutex_);
    return names_.demangled(id);
}

bool Runtime::usage(int device, std::uint64_t* current, std::uint64_t* peak,
                    std::uint64_t* total) {
    const Lock lock(mutex_);
    if (device < -1 || device >= device_count()) {
        return false;
    }
    const Usage usage = device < 0 ? memory_.pinned_usage() : memory_.usage(device);
    *current = usage.current;
    *peak = usage.peak;
    *total = usage.total;
    return true;
}

bool Runtime::kernel_figures(const char* kernel_name, int device,
                             llamaproof_kernel_figures* figures) {
    const Lock lock(mutex_);
    const Kernel* kernel = kernels_.find_by_name(kernel_name);
    if (kernel == nullptr || this->device(device) == nullptr) {
        return false;
    }
    const KernelCode* code = kernel->devices[static_cast<std::size_t>(device)].code;
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

llamaproof_record Runtime::blank(llamaproof_record_kind kind, const char* call,
                                 const Stream* stream) {
    llamaproof_record record{};
    record.sequence = recorder_.next_sequence();
    sequence_ = record.sequence;
    record.kind = kind;
    record.device = stream != nullptr ? stream->device : current_device_of_thread;
    record.stream = stream != nullptr ? stream->id : 0;
    record.capture = stream != nullptr && stream->capture ? stream->capture->graph->id : 0;
    record.thread = thread_id();
    record.name = names_.id(call);
    return record;
}

void Runtime::record_allocation(llamaproof_record_kind kind, const char* call, Address address,
                                const Allocation& allocation) {
    llamaproof_record record = blank(kind, call, nullptr);
    record.device = allocation.device;
    record.value[0] = address;
    record.value[1] = allocation.bytes;
    record.value[2] = allocation.charged;
    record.value[3] = allocation.kind;
    recorder_.add(record);
}

void Runtime::record_launch(const Kernel& kernel, const KernelOnDevice& here,
                            const LaunchOptions& options, const Stream& stream) {
    const KernelCode& code = *here.code;
    llamaproof_record record = blank(LLAMAPROOF_RECORD_LAUNCH, kernel.name.c_str(), &stream);
    const Dim3& cluster = options.cluster;
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
        static_cast<std::uint64_t>(resident_blocks(
            *device(stream.device), *here.code, here.limits,
            static_cast<int>(options.block.count()), options.dynamic_shared)),
    };
    std::copy(std::begin(values), std::end(values), std::begin(record.value));
    recorder_.add(record);
}

void Runtime::record_copy(const CopyOperation& copy, const Stream& stream) {
    llamaproof_record record = blank(LLAMAPROOF_RECORD_COPY, copy.call, &stream);
    record.value[0] = copy.destination;
    record.value[1] = copy.source;
    record.value[2] = copy.width;
    record.value[3] = copy.rows * copy.slices;
    record.value[4] = direction_of(copy.to, copy.from);
    record.value[5] = static_cast<std::uint64_t>(copy.from.device);
    recorder_.add(record);
}

Status Runtime::check_stream(const void* handle, Stream** stream) {
    if (session_.devices.empty()) {
        return Status::no_device;
    }
    *stream = streams_.find(handle, current_device());
    if (*stream == nullptr) {
        return Status::invalid_resource_handle;
    }
    const std::shared_ptr<Capture>& capture = (*stream)->capture;
    if (capture && capture->invalidated) {
        return Status::stream_capture_invalidated;
    }
    // Work on the legacy stream would wait for the streams that are being captured.
    return (*stream)->id == 0 ? streams_.forbid_legacy() : Status::success;
}

Status Runtime::submit(Lock& lock, Stream* stream, Operation operation) {
    if (stream->capture) {
        streams_.append(stream, std::move(operation));
        return Status::success;
    }
    return perform(lock, operation, stream->id, stream->device, sequence_);
}

Status Runtime::perform(Lock& lock, const Operation& operation, std::uint64_t stream, int device,
                        std::uint64_t sequence) {
    if (const auto* kernel = std::get_if<KernelOperation>(&operation)) {
        return executes() ? execute_kernel(*kernel, stream, device, sequence) : Status::success;
    }
    if (const auto* copy = std::get_if<CopyOperation>(&operation)) {
        perform_copy(*copy);
    } else if (const auto* set = std::get_if<SetOperation>(&operation)) {
        perform_set(*set);
    } else if (const auto* library = std::get_if<LibraryOperation>(&operation)) {
        if (library->execute) {
            library->execute();
        }
    } else if (const auto* host = std::get_if<HostOperation>(&operation)) {
        const HostOperation call = *host;
        lock.unlock();
        call.function(call.data);
        lock.lock();
    }
    return Status::success;
}

Status Runtime::execute_kernel(const KernelOperation& operation, std::uint64_t stream, int device,
                               std::uint64_t sequence) {
    const Kernel& kernel = *operation.kernel;
    const KernelCode& code = *operation.code;
    const LaunchOptions& options = operation.options;
    const FatbinCode& fatbin = kernel.module->code->at(this->device(device)->sm);
    llamaproof_launch launch{};
    launch.sequence = sequence;
    launch.kernel = kernel.name.c_str();
    launch.library = kernel.module->library.c_str();
    launch.ptx_path = fatbin.ptx_path.empty() ? nullptr : fatbin.ptx_path.c_str();
    launch.ptx_sm = fatbin.ptx_sm;
    launch.device = &executor_devices_[static_cast<std::size_t>(device)];
    launch.stream = stream;
    const Dim3* const from[3] = {&options.grid, &options.block, &options.cluster};
    std::uint32_t* const to[3] = {launch.grid, launch.block, launch.cluster};
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

void Runtime::perform_copy(const CopyOperation& copy) {
    const bool content = executes() || !copy.from.on_device();
    if (!executes() && copy.to.on_device()) {
        return;
    }
    for (std::uint64_t slice = 0; slice < copy.slices; ++slice) {
        for (std::uint64_t row = 0; row < copy.rows; ++row) {
            const Address to =
                copy.destination + slice * copy.destination_slice + row * copy.destination_pitch;
            const Address from = copy.source + slice * copy.source_slice + row * copy.source_pitch;
            if (!content) {
                fill_counting(reinterpret_cast<std::uint8_t*>(to), copy.width,
                              read_back_modulus_);
                continue;
            }
            if (copy.from.on_device() && !copy.to.on_device()) {
                memory_.tell(LLAMAPROOF_MEMORY_READ, copy.from.device, from, copy.width, 0,
                             copy.call);
            }
            std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from),
                         copy.width);
            if (copy.to.on_device()) {
                memory_.tell(copy.from.on_device() ? LLAMAPROOF_MEMORY_COPIED
                                                   : LLAMAPROOF_MEMORY_WRITTEN,
                             copy.to.device, to, copy.width, from, copy.call);
            }
        }
    }
}

void Runtime::perform_set(const SetOperation& set) {
    if (!executes() && set.to.on_device()) {
        return;
    }
    for (std::uint64_t row = 0; row < set.rows; ++row) {
        const Address to = set.destination + row * set.pitch;
        std::memset(reinterpret_cast<void*>(to), set.value, set.width);
        if (set.to.on_device()) {
            memory_.tell(LLAMAPROOF_MEMORY_WRITTEN, set.to.device, to, set.width, 0, set.call);
        }
    }
}

}  // namespace shadow
