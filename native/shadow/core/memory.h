// Addresses of device memory, what is charged to each device, and pinned host memory.
//
// Every device owns a range of addresses that is reserved and, in record mode, never backed: a
// model may be larger than the machine's RAM. In execute mode what is allocated can be read and
// written, and pages come into being as they are touched.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/session.h"
#include "core/status.h"
#include "shadow.h"

namespace shadow {

using Address = std::uint64_t;

// Where an address range lies. `bad` is device address space that is not allocated, or a range
// that leaves its allocation.
enum class Where { pageable_host, pinned, managed, device, bad };

struct Place {
    Where where = Where::pageable_host;
    int device = -1;

    bool on_device() const { return where == Where::device; }
};

struct Usage {
    std::uint64_t current = 0;
    std::uint64_t peak = 0;
    std::uint64_t total = 0;
};

struct Allocation {
    std::uint64_t bytes = 0;    // as asked for
    std::uint64_t charged = 0;  // to the device
    llamaproof_memory_kind kind = LLAMAPROOF_MEMORY_DEVICE;
    int device = -1;
};

using MemoryListener = std::function<void(const llamaproof_memory_event &)>;

// Not thread safe: the runtime holds its lock around every call.
class Memory {
public:
    explicit Memory(const Session & session);
    ~Memory();
    Memory(const Memory &) = delete;
    Memory & operator=(const Memory &) = delete;

    void listen(MemoryListener listener) { listener_ = std::move(listener); }

    Status allocate(int device, std::uint64_t bytes, Address * address, Allocation * allocation);
    Status free(Address address, Allocation * freed);

    Status allocate_host(std::uint64_t bytes, Address * address, Allocation * allocation);
    Status free_host(Address address, Allocation * freed);
    Status register_host(Address address, std::uint64_t bytes, Allocation * allocation);
    Status unregister_host(Address address, Allocation * freed);
    Status allocate_managed(int device, std::uint64_t bytes, Address * address,
                            Allocation * allocation);

    // Virtual memory management, as the driver offers it. Sizes are multiples of granularity.
    static constexpr std::uint64_t granularity = 2 << 20;
    Status reserve(std::uint64_t bytes, Address * address);
    Status unreserve(Address address, std::uint64_t bytes);
    Status create_physical(int device, std::uint64_t bytes, std::uint64_t * handle,
                           Allocation * allocation);
    // Physical memory lives as long as its handle or a mapping; what ends is added to `freed`.
    using Freed = std::vector<std::pair<std::uint64_t, Allocation>>;  // by handle
    Status release_physical(std::uint64_t handle, Freed * freed);
    Status map(Address address, std::uint64_t bytes, std::uint64_t offset, std::uint64_t handle);
    Status unmap(Address address, std::uint64_t bytes, Freed * freed);
    Status set_access(Address address, std::uint64_t bytes, bool readable);

    Place place(Address address, std::uint64_t bytes) const;
    // The allocation that holds an address; nullptr when none does.
    const Allocation * find(Address address, Address * start) const;
    Usage usage(int device) const { return usage_.at(static_cast<std::size_t>(device)); }
    Usage pinned_usage() const { return pinned_usage_; }
    void restart_peaks();

    void tell(llamaproof_memory_event_kind kind, int device, Address address, std::uint64_t bytes,
              Address source, const char * call) const;

private:
    struct Heap {
        Address base = 0;
        std::uint64_t size = 0;
        std::map<Address, std::uint64_t> free;  // coalesced
    };
    struct Physical {
        std::uint64_t bytes = 0;
        int device = -1;
        int file = -1;       // execute mode: holds the content
        int references = 1;  // the handle's own, and one for each mapping
        bool released = false;
    };
    struct Mapping {
        std::uint64_t bytes = 0;
        std::uint64_t handle = 0;
        bool accessible = false;
    };

    // Memory that host and device both see: pinned, or managed.
    Status allocate_visible(Allocation wanted, Address * address, Allocation * allocation,
                            const char * call);
    void free_visible(std::map<Address, Allocation>::iterator which, Allocation * freed,
                      const char * call);
    Heap & heap(int device);
    bool charge(int device, std::uint64_t bytes);
    void discharge(int device, std::uint64_t bytes);
    void drop_reference(std::uint64_t handle, Freed * freed);
    Place place_in_reservation(Address address, std::uint64_t bytes) const;

    bool keeps_content_;
    MemoryListener listener_;
    std::vector<Heap> heaps_;
    std::vector<Usage> usage_;
    Usage pinned_usage_;
    std::map<Address, Allocation> allocations_;  // of the heaps
    std::map<Address, Allocation> host_;         // pinned, registered, managed
    std::map<Address, std::uint64_t> reservations_;
    std::map<Address, Mapping> mappings_;
    std::map<std::uint64_t, Physical> physical_;
    std::uint64_t next_handle_ = 1;
};

}  // namespace shadow
