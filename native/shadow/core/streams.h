// Streams, events, and the graphs that are captured from them.
//
// Everything put on a stream is done before the call returns, so waiting never waits. What is left
// of streams is identity, and capture: which stream belongs to which capture, and in what order.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "core/operations.h"
#include "core/status.h"

namespace shadow {

enum class CaptureMode { global = 0, thread_local_mode = 1, relaxed = 2 };  // as CUDA numbers them

struct Node {
    std::shared_ptr<const Operation> operation;
    std::vector<std::size_t> depends_on;  // indices of earlier nodes, ascending
    // Where the arguments of a kernel node lie; filled when somebody asks.
    std::vector<const void *> arguments;
};

// The content of a graph. Nodes stand in an order that keeps every dependency.
struct Graph {
    std::uint64_t id = 0;
    std::vector<Node> nodes;

    std::size_t kernel_nodes() const;
    // Whether both have nodes of the same kinds, or edges between the same ones.
    bool same_kinds(const Graph & other) const;
    bool same_edges(const Graph & other) const;
};

struct ExecutableGraph {
    std::uint64_t id = 0;
    int device = 0;
    Graph graph;
};

struct Stream;

struct Capture {
    std::shared_ptr<Graph> graph;
    CaptureMode mode = CaptureMode::global;
    std::uint64_t thread = 0;
    Stream * origin = nullptr;
    bool invalidated = false;
    std::set<std::size_t> with_successor;
    std::set<Stream *> members;
    bool ended = false;
};

struct Stream {
    std::uint64_t id = 0;  // 0: a default stream
    int device = 0;
    bool blocking = true;  // waits for the legacy default stream
    std::shared_ptr<Capture> capture;
    std::set<std::size_t> frontier;  // nodes the next one depends on
};

struct Event {
    std::uint64_t id = 0;
    int device = 0;
    std::shared_ptr<Capture> capture;  // of the stream it was last recorded on
    std::set<std::size_t> frontier;
};

// Not thread safe: the runtime holds its lock around every call.
class Streams {
public:
    explicit Streams(std::size_t devices);

    Stream * create(int device, bool blocking);
    Status destroy(Stream * stream);
    // nullptr for a handle that is none.
    Stream * find(const void * handle, int current_device);
    Stream * default_stream(int device) { return &defaults_.at(static_cast<std::size_t>(device)); }

    Event * create_event(int device);
    Status destroy_event(const void * handle);
    Event * find_event(const void * handle);
    Status record(Event * event, Stream * stream);
    Status wait(Stream * stream, Event * event);
    // What waiting for an event on the host gets.
    Status synchronize(Event * event, std::uint64_t thread);

    Status begin_capture(Stream * stream, CaptureMode mode, std::uint64_t thread);
    Status end_capture(Stream * stream, std::uint64_t thread, std::shared_ptr<Graph> * graph);
    void append(Stream * stream, Operation operation);

    // What a call that must not happen during capture gets: cudaMalloc and its like.
    Status forbid_during_capture(std::uint64_t thread);
    // What waiting for a stream gets.
    Status forbid_wait(Stream * stream, std::uint64_t thread);
    // What work on the legacy default stream gets while a blocking stream captures.
    Status forbid_legacy();
    Status forbid_wait_for_all();

private:
    void leave(const std::shared_ptr<Capture> & capture);

    std::vector<Stream> defaults_;
    std::unordered_map<const void *, std::unique_ptr<Stream>> streams_;
    std::unordered_map<const void *, std::unique_ptr<Event>> events_;
    std::set<std::shared_ptr<Capture>> captures_;
    std::uint64_t next_stream_ = 1;
    std::uint64_t next_event_ = 1;
    std::uint64_t next_graph_ = 1;
};

}  // namespace shadow
