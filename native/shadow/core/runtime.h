// The shadow runtime as the stand-ins for libcudart, libcublas and libcuda see it.
//
// One lock guards all of it. A call checks what a real runtime would check, records itself, and in
// execute mode takes effect before it returns.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "core/executor_library.h"
#include "core/fatal.h"
#include "core/kernels.h"
#include "core/memory.h"
#include "core/operations.h"
#include "core/record.h"
#include "core/session.h"
#include "core/status.h"
#include "core/streams.h"
#include "shadow.h"

namespace shadow {

struct CallConfiguration {
    Dim3 grid;
    Dim3 block;
    std::uint64_t dynamic_shared = 0;
    void * stream = nullptr;
};

// What cudaFuncGetAttributes answers.
struct FunctionAttributes {
    std::uint64_t static_shared = 0;
    std::uint64_t constant = 0;
    std::uint64_t local = 0;
    int max_threads = 0;
    int registers = 0;
    int code_sm = 0;
    std::uint64_t max_dynamic_shared = 0;
    int carveout = -1;
};

enum class FunctionLimit { max_dynamic_shared, carveout };

// The figures of a cuBLAS call that its record shows.
struct LibraryCall {
    const char * name = "";
    std::int64_t m = 0;
    std::int64_t n = 0;
    std::int64_t k = 0;
    std::int64_t batch = 1;
    int type_a = 0;
    int type_b = 0;
    int type_c = 0;
    int compute = 0;
    int transpose_a = 0;
    int transpose_b = 0;
    std::int64_t lda = 0;
    std::int64_t ldb = 0;
    std::int64_t ldc = 0;
};

class SHADOW_API Runtime {
public:
    static Runtime & get();

    // The outcome of a call: what it returns, after noting an error as this thread's last one and
    // in the records. Once the device has faulted every call returns that fault.
    int finish(const char * call, Status status);
    // The same for a driver call, which leaves the thread's last error alone.
    int finish_driver(const char * call, Status status);
    int last_error(bool clear);

    // Devices.
    int device_count() const { return static_cast<int>(session_.devices.size()); }
    const Device * device(int ordinal) const;
    int current_device() const;
    Status set_device(int ordinal);
    Status memory_info(std::uint64_t * free, std::uint64_t * total);
    Status enable_peer(int peer, bool enable);
    Status synchronize_device();

    // Code.
    void * register_fatbin(const void * wrapper);
    void unregister_fatbin(void * handle);
    void register_function(void * fatbin, const void * function, const char * name);
    void * kernel_handle(const void * function);
    void push_configuration(const CallConfiguration & configuration);
    bool pop_configuration(CallConfiguration * configuration);
    // Whether the sizes are ones that any launch may have on the current device.
    static bool possible_sizes(const LaunchOptions & options);
    Status launch(const void * function, const LaunchOptions & options, void ** arguments,
                  const void * stream);
    Status function_attributes(const void * function, FunctionAttributes * attributes);
    Status set_function_limit(const void * function, FunctionLimit limit, int value);
    Status occupancy(const void * function, int block, std::uint64_t dynamic_shared, int * blocks);
    Status available_shared(const void * function, int blocks, int block, std::uint64_t * bytes);

    // Memory.
    Status allocate(void ** address, std::uint64_t bytes);
    Status allocate_managed(void ** address, std::uint64_t bytes);
    Status free(void * address);
    Status allocate_host(void ** address, std::uint64_t bytes);
    Status free_host(void * address);
    Status register_host(void * address, std::uint64_t bytes);
    Status unregister_host(void * address);
    // Asynchronous when `stream` is not nullptr.
    Status copy(CopyOperation copy, int direction, const void * const * stream);
    Status set(SetOperation set, const void * const * stream);
    Place place(const void * address, Address * start, std::uint64_t * bytes);

    // Virtual memory management.
    Status reserve(std::uint64_t bytes, Address * address);
    Status unreserve(Address address, std::uint64_t bytes);
    Status create_physical(int device, std::uint64_t bytes, std::uint64_t * handle);
    Status release_physical(std::uint64_t handle);
    Status map(Address address, std::uint64_t bytes, std::uint64_t offset, std::uint64_t handle);
    Status unmap(Address address, std::uint64_t bytes);
    Status set_access(Address address, std::uint64_t bytes, bool readable);

    // Streams, events, graphs.
    Status create_stream(bool blocking, void ** stream);
    Status destroy_stream(const void * stream);
    Status synchronize_stream(const void * stream);
    Status create_event(void ** event);
    Status destroy_event(const void * event);
    Status record_event(const void * event, const void * stream);
    Status wait_event(const void * stream, const void * event);
    Status synchronize_event(const void * event);
    Status host_function(const void * stream, void (*function)(void *), void * data);
    Status is_capturing(const void * stream, int * status);
    Status begin_capture(const void * stream, int mode);
    Status end_capture(const void * stream, void ** graph);
    Status destroy_graph(const void * graph);
    Status instantiate(const void * graph, void ** executable);
    // Why an executable graph could not take another graph's content, as CUDA numbers it.
    enum class UpdateResult { success = 0, topology_changed = 2, node_type_changed = 3 };
    Status update(const void * executable, const void * graph, UpdateResult * result);
    Status launch_graph(const void * executable, const void * stream);
    Status destroy_executable(const void * executable);
    // As cudaGraphGetNodes: the count alone, or up to `count` handles.
    Status graph_nodes(const void * graph, const void ** nodes, std::size_t * count);
    enum class NodeKind { kernel = 0, copy = 1, set = 2, host = 3 };  // as CUDA numbers them
    Status node_kind(const void * node, NodeKind * kind);
    // The arguments stay where they are until the node changes or its graph ends.
    Status kernel_node(const void * node, const void ** function, LaunchOptions * options,
                       const void * const ** arguments);
    Status set_kernel_node(const void * node, const void * function, const LaunchOptions & options,
                           void ** arguments);

    // Libraries on top of the runtime.
    bool executes() const { return session_.mode == Mode::execute; }
    // `execute` is called when the call takes effect, in execute mode alone.
    Status library_call(const LibraryCall & call, const void * stream,
                        std::function<void()> execute);
    // Tell the executor what a library read or wrote. From within `execute` of library_call.
    void library_touches(bool writes, const void * address, std::uint64_t bytes, const char * call);

    // Records.
    std::size_t drain(llamaproof_record * records, std::size_t capacity);
    std::uint64_t dropped();
    void reset();
    void mark(const char * label);
    void read_back(std::uint32_t modulus);
    const char * name(std::uint32_t id);
    const char * demangled(std::uint32_t id);
    bool usage(int device, std::uint64_t * current, std::uint64_t * peak, std::uint64_t * total);
    bool kernel_figures(const char * kernel, int device, llamaproof_kernel_figures * figures);

private:
    Runtime();

    using Lock = std::unique_lock<std::mutex>;

    // What allocations have in common: a device, no capture, and a record of what came of it.
    template <typename Allocate>
    Status allocate_recorded(const char * call, void ** address, Allocate allocate);
    template <typename Free> Status free_recorded(const char * call, void * address, Free free);
    // The stream of a copy: `handle`'s, or where that is nullptr the one that blocks the host.
    Status stream_of_copy(const void * const * handle, Stream ** stream);
    // A function's code on the current device.
    Status find_here(const void * function, KernelOnDevice ** here);
    llamaproof_record blank(llamaproof_record_kind kind, const char * call, const Stream * stream);
    void record_allocation(llamaproof_record_kind kind, const char * call, Address address,
                           const Allocation & allocation);
    void record_freed(const char * call, const Memory::Freed & freed);
    Status outcome(const char * call, Status status);
    void record_launch(const Kernel & kernel, const KernelOnDevice & here,
                       const LaunchOptions & options, const Stream & stream);
    void record_copy(const CopyOperation & copy, const Stream & stream);
    // Check a launch as a driver does.
    Status check_launch(const Device & device, const KernelOnDevice & here,
                        const LaunchOptions & options) const;
    std::vector<std::uint8_t> pack(const KernelCode & code, void ** arguments) const;
    // Do it now, or append it to the stream's capture.
    Status submit(Lock & lock, Stream * stream, Operation operation);
    // Host functions run with the lock released.
    Status perform(Lock & lock, const Operation & operation, std::uint64_t stream, int device,
                   std::uint64_t sequence);
    Status execute_kernel(const KernelOperation & operation, std::uint64_t stream, int device,
                          std::uint64_t sequence);
    void perform_copy(const CopyOperation & copy);
    void copy_row(const CopyOperation & copy, Address to, Address from);
    void perform_set(const SetOperation & set);
    Status check_stream(const void * handle, Stream ** stream);
    Node * find_node(const void * handle);

    mutable std::mutex mutex_;
    Session session_;
    Names names_;
    Recorder recorder_;
    Memory memory_;
    Kernels kernels_;
    Streams streams_;
    std::unique_ptr<Executor> executor_;
    std::vector<llamaproof_device> executor_devices_;
    std::unordered_map<const void *, std::shared_ptr<Graph>> graphs_;
    std::unordered_map<const void *, std::unique_ptr<ExecutableGraph>> executables_;
    std::set<std::pair<int, int>> peers_;
    std::uint64_t next_executable_ = 1;
    std::uint64_t sequence_ = 0;  // of the record made last
    std::uint32_t read_back_modulus_ = 1;
    Status fault_ = Status::success;
};

}  // namespace shadow
