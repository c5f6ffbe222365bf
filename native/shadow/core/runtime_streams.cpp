// Streams, events and graphs: when what was put on them takes effect.

#include <algorithm>

#include "core/runtime.h"
#include "core/thread.h"

namespace shadow {

Status Runtime::create_stream(bool blocking, void ** stream) {
    const Lock lock(mutex_);
    if (session_.devices.empty()) {
        return Status::no_device;
    }
    *stream = streams_.create(current_device(), blocking);
    return Status::success;
}

Status Runtime::destroy_stream(const void * handle) {
    const Lock lock(mutex_);
    Stream * stream = streams_.find(handle, current_device());
    return stream == nullptr || stream->id == 0 ? Status::invalid_resource_handle
                                                : streams_.destroy(stream);
}

Status Runtime::synchronize_stream(const void * handle) {
    const Lock lock(mutex_);
    Stream * stream = nullptr;
    const Status status = check_stream(handle, &stream);
    return status == Status::success ? streams_.forbid_wait(stream, thread_id()) : status;
}

Status Runtime::create_event(void ** event) {
    const Lock lock(mutex_);
    if (session_.devices.empty()) {
        return Status::no_device;
    }
    *event = streams_.create_event(current_device());
    return Status::success;
}

Status Runtime::destroy_event(const void * event) {
    const Lock lock(mutex_);
    return streams_.destroy_event(event);
}

Status Runtime::record_event(const void * event_handle, const void * stream_handle) {
    const Lock lock(mutex_);
    Event * event = streams_.find_event(event_handle);
    if (event == nullptr) {
        return Status::invalid_resource_handle;
    }
    Stream * stream = nullptr;
    const Status status = check_stream(stream_handle, &stream);
    return status == Status::success ? streams_.record(event, stream) : status;
}

Status Runtime::wait_event(const void * stream_handle, const void * event_handle) {
    const Lock lock(mutex_);
    Event * event = streams_.find_event(event_handle);
    Stream * stream = streams_.find(stream_handle, current_device());
    if (event == nullptr || stream == nullptr) {
        return Status::invalid_resource_handle;
    }
    return streams_.wait(stream, event);
}

Status Runtime::synchronize_event(const void * event_handle) {
    const Lock lock(mutex_);
    Event * event = streams_.find_event(event_handle);
    return event == nullptr ? Status::invalid_resource_handle
                            : streams_.synchronize(event, thread_id());
}

Status Runtime::host_function(const void * handle, void (*function)(void *), void * data) {
    Lock lock(mutex_);
    Stream * stream = nullptr;
    if (const Status status = check_stream(handle, &stream); status != Status::success) {
        return status;
    }
    return submit(lock, stream, HostOperation{function, data});
}

Status Runtime::is_capturing(const void * handle, int * status) {
    const Lock lock(mutex_);
    const Stream * stream = streams_.find(handle, current_device());
    if (stream == nullptr) {
        return Status::invalid_resource_handle;
    }
    // cudaStreamCaptureStatus: none, active, invalidated.
    *status = !stream->capture ? 0 : stream->capture->invalidated ? 2 : 1;
    return Status::success;
}

Status Runtime::begin_capture(const void * handle, int mode) {
    const Lock lock(mutex_);
    Stream * stream = streams_.find(handle, current_device());
    if (stream == nullptr) {
        return Status::invalid_resource_handle;
    }
    if (mode < 0 || mode > 2) {
        return Status::invalid_value;
    }
    const Status status =
        streams_.begin_capture(stream, static_cast<CaptureMode>(mode), thread_id());
    if (status == Status::success) {
        recorder_.add(blank(LLAMAPROOF_RECORD_CAPTURE_BEGIN, "cudaStreamBeginCapture", stream));
    }
    return status;
}

Status Runtime::end_capture(const void * handle, void ** graph) {
    const Lock lock(mutex_);
    Stream * stream = streams_.find(handle, current_device());
    if (stream == nullptr) {
        return Status::invalid_resource_handle;
    }
    *graph = nullptr;
    llamaproof_record record = blank(LLAMAPROOF_RECORD_CAPTURE_END, "cudaStreamEndCapture", stream);
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

Status Runtime::destroy_graph(const void * graph) {
    const Lock lock(mutex_);
    return graphs_.erase(graph) > 0 ? Status::success : Status::invalid_value;
}

Status Runtime::instantiate(const void * graph, void ** executable) {
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

Status Runtime::update(const void * executable, const void * graph, UpdateResult * result) {
    const Lock lock(mutex_);
    const auto to = executables_.find(executable);
    const auto from = graphs_.find(graph);
    if (to == executables_.end() || from == graphs_.end()) {
        return Status::invalid_value;
    }
    const Graph & before = to->second->graph;
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

Status Runtime::launch_graph(const void * executable, const void * stream_handle) {
    Lock lock(mutex_);
    Stream * stream = nullptr;
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
    llamaproof_record record = blank(LLAMAPROOF_RECORD_GRAPH_LAUNCH, "cudaGraphLaunch", stream);
    record.capture = graph.id;
    record.value[0] = found->second->id;
    record.value[1] = graph.nodes.size();
    record.value[2] = graph.kernel_nodes();
    recorder_.add(record);
    const std::uint64_t id = stream->id;
    for (const Node & node : graph.nodes) {
        const Status status = perform(lock, *node.operation, id, device, record.sequence);
        if (status != Status::success) {
            return status;
        }
    }
    return Status::success;
}

Status Runtime::destroy_executable(const void * executable) {
    const Lock lock(mutex_);
    return executables_.erase(executable) > 0 ? Status::success : Status::invalid_value;
}

Status Runtime::graph_nodes(const void * graph, const void ** nodes, std::size_t * count) {
    const Lock lock(mutex_);
    const auto found = graphs_.find(graph);
    if (found == graphs_.end()) {
        return Status::invalid_value;
    }
    const std::vector<Node> & all = found->second->nodes;
    for (std::size_t i = 0; nodes != nullptr && i < *count; ++i) {
        nodes[i] = i < all.size() ? &all[i] : nullptr;
    }
    *count = nodes == nullptr ? all.size() : std::min(*count, all.size());
    return Status::success;
}

Node * Runtime::find_node(const void * handle) {
    for (const auto & [address, graph] : graphs_) {
        for (Node & node : graph->nodes) {
            if (&node == handle) {
                return &node;
            }
        }
    }
    return nullptr;
}

Status Runtime::node_kind(const void * handle, NodeKind * kind) {
    const Lock lock(mutex_);
    const Node * node = find_node(handle);
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

Status Runtime::kernel_node(const void * handle, const void ** function, LaunchOptions * options,
                            const void * const ** arguments) {
    const Lock lock(mutex_);
    Node * node = find_node(handle);
    const auto * kernel =
        node == nullptr ? nullptr : std::get_if<KernelOperation>(node->operation.get());
    if (kernel == nullptr) {
        return Status::invalid_value;
    }
    node->arguments.clear();
    for (const llamaproof_parameter & parameter : kernel->code->parameters) {
        node->arguments.push_back(kernel->parameter_block.data() + parameter.offset);
    }
    *function = kernel->kernel->function;
    *options = kernel->options;
    *arguments = node->arguments.data();
    return Status::success;
}

Status Runtime::set_kernel_node(const void * handle, const void * function,
                                const LaunchOptions & options, void ** arguments) {
    const Lock lock(mutex_);
    Node * node = find_node(handle);
    const Kernel * kernel = kernels_.find(function);
    if (node == nullptr || kernel == nullptr ||
        !std::holds_alternative<KernelOperation>(*node->operation)) {
        return Status::invalid_value;
    }
    const auto here = static_cast<std::size_t>(current_device());
    const KernelOnDevice & code = kernel->devices[here];
    const Status status = check_launch(session_.devices[here], code, options);
    if (status != Status::success) {
        return status;
    }
    node->operation = std::make_shared<const Operation>(
        KernelOperation{kernel, code.code, options, pack(*code.code, arguments)});
    node->arguments.clear();
    return Status::success;
}

Status Runtime::library_call(const LibraryCall & call, const void * stream_handle,
                             std::function<void()> execute) {
    Lock lock(mutex_);
    Stream * stream = nullptr;
    if (const Status status = check_stream(stream_handle, &stream); status != Status::success) {
        return status;
    }
    llamaproof_record record = blank(LLAMAPROOF_RECORD_LIBRARY_CALL, call.name, stream);
    const std::int64_t figures[12] = {call.m,
                                      call.n,
                                      call.k,
                                      call.batch,
                                      call.type_a,
                                      call.type_b,
                                      call.type_c,
                                      call.compute,
                                      call.transpose_a,
                                      call.transpose_b,
                                      call.lda | call.ldb << 32,
                                      call.ldc};
    std::copy(std::begin(figures), std::end(figures), std::begin(record.value));
    recorder_.add(record);
    return submit(lock, stream, LibraryOperation{executes() ? std::move(execute) : nullptr});
}

Status Runtime::check_stream(const void * handle, Stream ** stream) {
    if (session_.devices.empty()) {
        return Status::no_device;
    }
    *stream = streams_.find(handle, current_device());
    if (*stream == nullptr) {
        return Status::invalid_resource_handle;
    }
    const std::shared_ptr<Capture> & capture = (*stream)->capture;
    if (capture && capture->invalidated) {
        return Status::stream_capture_invalidated;
    }
    // Work on the legacy stream would wait for the streams that are being captured.
    return (*stream)->id == 0 ? streams_.forbid_legacy() : Status::success;
}

Status Runtime::submit(Lock & lock, Stream * stream, Operation operation) {
    if (stream->capture) {
        streams_.append(stream, std::move(operation));
        return Status::success;
    }
    return perform(lock, operation, stream->id, stream->device, sequence_);
}

Status Runtime::perform(Lock & lock, const Operation & operation, std::uint64_t stream, int device,
                        std::uint64_t sequence) {
    if (const auto * kernel = std::get_if<KernelOperation>(&operation)) {
        return executes() ? execute_kernel(*kernel, stream, device, sequence) : Status::success;
    }
    if (const auto * copy = std::get_if<CopyOperation>(&operation)) {
        perform_copy(*copy);
    } else if (const auto * set = std::get_if<SetOperation>(&operation)) {
        perform_set(*set);
    } else if (const auto * library = std::get_if<LibraryOperation>(&operation)) {
        if (library->execute) {
            library->execute();
        }
    } else if (const auto * host = std::get_if<HostOperation>(&operation)) {
        const HostOperation call = *host;
        lock.unlock();
        call.function(call.data);
        lock.lock();
    }
    return Status::success;
}

}  // namespace shadow
