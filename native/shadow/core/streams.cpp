#include "core/streams.h"

#include <algorithm>

namespace shadow {

std::size_t Graph::kernel_nodes() const {
    return static_cast<std::size_t>(
        std::count_if(nodes.begin(), nodes.end(), [](const Node & node) {
            return std::holds_alternative<KernelOperation>(*node.operation);
        }));
}

bool Graph::same_kinds(const Graph & other) const {
    return std::equal(nodes.begin(), nodes.end(), other.nodes.begin(), other.nodes.end(),
                      [](const Node & a, const Node & b) {
                          return a.operation->index() == b.operation->index();
                      });
}

bool Graph::same_edges(const Graph & other) const {
    return std::equal(nodes.begin(), nodes.end(), other.nodes.begin(), other.nodes.end(),
                      [](const Node & a, const Node & b) { return a.depends_on == b.depends_on; });
}

Streams::Streams(std::size_t devices) : defaults_(devices) {
    for (std::size_t i = 0; i < devices; ++i) {
        defaults_[i].device = static_cast<int>(i);
    }
}

Stream * Streams::create(int device, bool blocking) {
    auto stream = std::make_unique<Stream>();
    stream->id = next_stream_++;
    stream->device = device;
    stream->blocking = blocking;
    Stream * handle = stream.get();
    streams_[handle] = std::move(stream);
    return handle;
}

Status Streams::destroy(Stream * stream) {
    const auto found = streams_.find(stream);
    if (found == streams_.end()) {
        return Status::invalid_resource_handle;
    }
    if (stream->capture) {
        stream->capture->invalidated = true;
        stream->capture->members.erase(stream);
        if (stream->capture->origin == stream) {
            leave(stream->capture);
        }
    }
    streams_.erase(found);
    return Status::success;
}

Stream * Streams::find(const void * handle, int current_device) {
    // cudaStreamLegacy is 1, cudaStreamPerThread is 2 (driver_types.h).
    if (reinterpret_cast<std::uintptr_t>(handle) <= 2) {
        return default_stream(current_device);
    }
    const auto found = streams_.find(handle);
    return found == streams_.end() ? nullptr : found->second.get();
}

Event * Streams::create_event(int device) {
    auto event = std::make_unique<Event>();
    event->id = next_event_++;
    event->device = device;
    Event * handle = event.get();
    events_[handle] = std::move(event);
    return handle;
}

Status Streams::destroy_event(const void * handle) {
    return events_.erase(handle) > 0 ? Status::success : Status::invalid_resource_handle;
}

Event * Streams::find_event(const void * handle) {
    const auto found = events_.find(handle);
    return found == events_.end() ? nullptr : found->second.get();
}

Status Streams::record(Event * event, Stream * stream) {
    if (event->device != stream->device) {
        return Status::invalid_resource_handle;
    }
    event->capture = stream->capture;
    event->frontier = stream->frontier;
    return Status::success;
}

Status Streams::wait(Stream * stream, Event * event) {
    if (!event->capture) {
        if (stream->capture) {
            // A captured stream cannot wait for what is not in its capture.
            stream->capture->invalidated = true;
            return Status::stream_capture_isolation;
        }
        return Status::success;
    }
    if (event->capture->ended) {
        return Status::invalid_value;
    }
    if (stream->capture && stream->capture != event->capture) {
        stream->capture->invalidated = true;
        event->capture->invalidated = true;
        return Status::stream_capture_isolation;
    }
    if (stream->id == 0 && !stream->capture) {
        event->capture->invalidated = true;
        return Status::stream_capture_implicit;
    }
    stream->capture = event->capture;
    stream->capture->members.insert(stream);
    stream->frontier.insert(event->frontier.begin(), event->frontier.end());
    return Status::success;
}

Status Streams::synchronize(Event * event, std::uint64_t thread) {
    if (!event->capture) {
        return forbid_during_capture(thread);
    }
    if (event->capture->ended) {
        return Status::invalid_value;
    }
    event->capture->invalidated = true;
    return Status::captured_event;
}

Status Streams::begin_capture(Stream * stream, CaptureMode mode, std::uint64_t thread) {
    if (stream->id == 0) {
        return Status::stream_capture_unsupported;
    }
    if (stream->capture) {
        return Status::illegal_state;
    }
    auto capture = std::make_shared<Capture>();
    capture->graph = std::make_shared<Graph>();
    capture->graph->id = next_graph_++;
    capture->mode = mode;
    capture->thread = thread;
    capture->origin = stream;
    capture->members.insert(stream);
    stream->capture = capture;
    stream->frontier.clear();
    captures_.insert(capture);
    return Status::success;
}

Status Streams::end_capture(Stream * stream, std::uint64_t thread, std::shared_ptr<Graph> * graph) {
    const std::shared_ptr<Capture> capture = stream->capture;
    if (!capture) {
        return Status::illegal_state;
    }
    if (capture->origin != stream) {
        capture->invalidated = true;
        return Status::stream_capture_unmatched;
    }
    if (capture->mode != CaptureMode::relaxed && capture->thread != thread) {
        leave(capture);
        return Status::stream_capture_wrong_thread;
    }
    // Work forked to other streams has to come back to the one the capture began on: no node but
    // those it ends with may be without a successor.
    bool joined = true;
    for (std::size_t i = 0; i < capture->graph->nodes.size(); ++i) {
        joined = joined && (capture->with_successor.count(i) > 0 || stream->frontier.count(i) > 0);
    }
    leave(capture);
    if (capture->invalidated) {
        return Status::stream_capture_invalidated;
    }
    if (!joined) {
        return Status::stream_capture_unjoined;
    }
    *graph = capture->graph;
    return Status::success;
}

void Streams::append(Stream * stream, Operation operation) {
    Capture & capture = *stream->capture;
    Node node;
    node.operation = std::make_shared<const Operation>(std::move(operation));
    node.depends_on.assign(stream->frontier.begin(), stream->frontier.end());
    capture.with_successor.insert(stream->frontier.begin(), stream->frontier.end());
    stream->frontier = {capture.graph->nodes.size()};
    capture.graph->nodes.push_back(std::move(node));
}

Status Streams::forbid_during_capture(std::uint64_t thread) {
    for (const auto & capture : captures_) {
        const bool mine = capture->thread == thread;
        if (capture->mode == CaptureMode::global ||
            (capture->mode == CaptureMode::thread_local_mode && mine)) {
            capture->invalidated = true;
            return Status::stream_capture_unsupported;
        }
    }
    return Status::success;
}

Status Streams::forbid_wait(Stream * stream, std::uint64_t thread) {
    if (!stream->capture) {
        return forbid_during_capture(thread);
    }
    stream->capture->invalidated = true;
    return Status::stream_capture_unsupported;
}

Status Streams::forbid_legacy() {
    for (const auto & capture : captures_) {
        const bool blocking = std::any_of(capture->members.begin(), capture->members.end(),
                                          [](const Stream * member) { return member->blocking; });
        if (blocking) {
            capture->invalidated = true;
            return Status::stream_capture_implicit;
        }
    }
    return Status::success;
}

Status Streams::forbid_wait_for_all() {
    for (const auto & capture : captures_) {
        capture->invalidated = true;
    }
    return captures_.empty() ? Status::success : Status::stream_capture_unsupported;
}

void Streams::leave(const std::shared_ptr<Capture> & capture) {
    for (Stream * member : capture->members) {
        member->capture.reset();
        member->frontier.clear();
    }
    capture->members.clear();
    capture->ended = true;
    captures_.erase(capture);
}

}  // namespace shadow
