#include "core/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string>

#include "core/fatal.h"

namespace shadow {
namespace {

// The driver hands memory out in blocks of 2 MiB and cuts small allocations from them in steps of
// 512 bytes (cudaMalloc's alignment). What an allocation is charged follows that.
constexpr std::uint64_t kBlock = 2 << 20;
constexpr std::uint64_t kSmall = 512;
// Left free after each allocation, so that running over its end meets nothing.
constexpr std::uint64_t kGap = 4096;

constexpr std::uint64_t round_up(std::uint64_t bytes, std::uint64_t step) {
    return (bytes + step - 1) / step * step;
}

std::uint64_t charged_for(std::uint64_t bytes) {
    return bytes >= kBlock / 2 ? round_up(bytes, kBlock) : round_up(bytes, kSmall);
}

void * pointer(Address address) { return reinterpret_cast<void *>(address); }

Address reserve_addresses(std::uint64_t bytes) {
    void * base =
        mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        fatal("cannot reserve " + std::to_string(bytes) + " bytes of address space: " +
              std::strerror(errno) + "; is there a limit (ulimit -v)?");
    }
    return reinterpret_cast<Address>(base);
}

template <typename Map> auto holder(Map & map, Address address) {
    auto next = map.upper_bound(address);
    return next == map.begin() ? map.end() : std::prev(next);
}

void raise_to(Usage & usage, std::uint64_t bytes) {
    usage.current += bytes;
    usage.peak = std::max(usage.peak, usage.current);
}

}  // namespace

Memory::Memory(const Session & session) : keeps_content_(session.mode == Mode::execute) {
    heaps_.resize(session.devices.size());
    for (const Device & device : session.devices) {
        usage_.push_back({0, 0, device.memory});
    }
}

Memory::~Memory() {
    for (const Heap & heap : heaps_) {
        if (heap.size > 0) {
            munmap(pointer(heap.base), heap.size);
        }
    }
    for (const auto & [address, bytes] : reservations_) {
        munmap(pointer(address), bytes);
    }
    for (const auto & [address, allocation] : host_) {
        if (allocation.kind != LLAMAPROOF_MEMORY_REGISTERED) {
            munmap(pointer(address), allocation.charged);
        }
    }
}

Status Memory::allocate(int device, std::uint64_t bytes, Address * address,
                        Allocation * allocation) {
    *address = 0;
    if (bytes == 0) {
        return Status::success;
    }
    const std::uint64_t total = usage(device).total;
    if (bytes > total || !charge(device, charged_for(bytes))) {
        return Status::memory_allocation;
    }
    Heap & from = heap(device);
    const std::uint64_t alignment = bytes >= kBlock / 2 ? kBlock : kGap;
    const std::uint64_t needed = round_up(bytes + kGap, kGap);
    for (auto & [start, size] : from.free) {
        const Address aligned = round_up(start, alignment);
        if (aligned + needed > start + size) {
            continue;
        }
        const Address end = start + size;
        const Address begin = start;
        from.free.erase(begin);
        if (aligned > begin) {
            from.free[begin] = aligned - begin;
        }
        if (aligned + needed < end) {
            from.free[aligned + needed] = end - aligned - needed;
        }
        if (keeps_content_ &&
            mprotect(pointer(aligned), round_up(bytes, kGap), PROT_READ | PROT_WRITE) != 0) {
            fatal(std::string("cannot back device memory: ") + std::strerror(errno));
        }
        *allocation = {bytes, charged_for(bytes), LLAMAPROOF_MEMORY_DEVICE, device};
        allocations_[aligned] = *allocation;
        *address = aligned;
        tell(LLAMAPROOF_MEMORY_ALLOCATED, device, aligned, bytes, 0, "cudaMalloc");
        return Status::success;
    }
    discharge(device, charged_for(bytes));
    return Status::memory_allocation;
}

Status Memory::free(Address address, Allocation * freed) {
    const auto managed = host_.find(address);
    if (managed != host_.end() && managed->second.kind == LLAMAPROOF_MEMORY_MANAGED) {
        free_visible(managed, freed, "cudaFree");
        return Status::success;
    }
    const auto found = allocations_.find(address);
    if (found == allocations_.end()) {
        return Status::invalid_value;
    }
    *freed = found->second;
    tell(LLAMAPROOF_MEMORY_FREED, freed->device, address, freed->bytes, 0, "cudaFree");
    const std::uint64_t size = round_up(freed->bytes + kGap, kGap);
    if (keeps_content_) {
        madvise(pointer(address), size, MADV_DONTNEED);
        mprotect(pointer(address), size, PROT_NONE);
    }
    Heap & to = heap(freed->device);
    allocations_.erase(found);
    discharge(freed->device, freed->charged);
    auto [place, inserted] = to.free.emplace(address, size);
    const auto next = std::next(place);
    if (next != to.free.end() && place->first + place->second == next->first) {
        place->second += next->second;
        to.free.erase(next);
    }
    if (place != to.free.begin()) {
        const auto before = std::prev(place);
        if (before->first + before->second == place->first) {
            before->second += place->second;
            to.free.erase(place);
        }
    }
    return Status::success;
}

Status Memory::allocate_host(std::uint64_t bytes, Address * address, Allocation * allocation) {
    const Status status = allocate_visible({bytes, 0, LLAMAPROOF_MEMORY_PINNED, -1}, address,
                                           allocation, "cudaMallocHost");
    if (status == Status::success && *address != 0) {
        raise_to(pinned_usage_, allocation->charged);
    }
    return status;
}

Status Memory::free_host(Address address, Allocation * freed) {
    const auto found = host_.find(address);
    if (found == host_.end() || found->second.kind != LLAMAPROOF_MEMORY_PINNED) {
        return Status::invalid_value;
    }
    free_visible(found, freed, "cudaFreeHost");
    pinned_usage_.current -= freed->charged;
    return Status::success;
}

Status Memory::register_host(Address address, std::uint64_t bytes, Allocation * allocation) {
    if (address == 0 || bytes == 0) {
        return Status::invalid_value;
    }
    const auto next = host_.upper_bound(address + bytes - 1);
    if (next != host_.begin()) {
        const auto before = std::prev(next);
        if (before->first + before->second.bytes > address) {
            return Status::host_memory_already_registered;
        }
    }
    *allocation = {bytes, 0, LLAMAPROOF_MEMORY_REGISTERED, -1};
    host_[address] = *allocation;
    tell(LLAMAPROOF_MEMORY_HOST_VISIBLE, -1, address, bytes, 0, "cudaHostRegister");
    return Status::success;
}

Status Memory::unregister_host(Address address, Allocation * freed) {
    const auto found = host_.find(address);
    if (found == host_.end()) {
        return Status::host_memory_not_registered;
    }
    if (found->second.kind != LLAMAPROOF_MEMORY_REGISTERED) {
        return Status::invalid_value;
    }
    *freed = found->second;
    tell(LLAMAPROOF_MEMORY_HOST_GONE, -1, address, freed->bytes, 0, "cudaHostUnregister");
    host_.erase(found);
    return Status::success;
}

Status Memory::allocate_managed(int device, std::uint64_t bytes, Address * address,
                                Allocation * allocation) {
    return allocate_visible({bytes, 0, LLAMAPROOF_MEMORY_MANAGED, device}, address, allocation,
                            "cudaMallocManaged");
}

Status Memory::allocate_visible(Allocation wanted, Address * address, Allocation * allocation,
                                const char * call) {
    *address = 0;
    if (wanted.bytes == 0) {
        return Status::success;
    }
    wanted.charged = round_up(wanted.bytes, kGap);
    void * memory = mmap(nullptr, wanted.charged, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return Status::memory_allocation;
    }
    *address = reinterpret_cast<Address>(memory);
    *allocation = wanted;
    host_[*address] = wanted;
    tell(LLAMAPROOF_MEMORY_HOST_VISIBLE, -1, *address, wanted.bytes, 0, call);
    return Status::success;
}

void Memory::free_visible(std::map<Address, Allocation>::iterator which, Allocation * freed,
                          const char * call) {
    const Address address = which->first;
    *freed = which->second;
    tell(LLAMAPROOF_MEMORY_HOST_GONE, -1, address, freed->bytes, 0, call);
    munmap(pointer(address), freed->charged);
    host_.erase(which);
}

Status Memory::reserve(std::uint64_t bytes, Address * address) {
    if (bytes == 0 || bytes % granularity != 0) {
        return Status::invalid_value;
    }
    // Aligned to the granularity, as the driver's are: cut from a larger range.
    const Address raw = reserve_addresses(bytes + granularity);
    const Address aligned = round_up(raw, granularity);
    if (aligned > raw) {
        munmap(pointer(raw), aligned - raw);
    }
    munmap(pointer(aligned + bytes), raw + granularity - aligned);
    reservations_[aligned] = bytes;
    *address = aligned;
    return Status::success;
}

Status Memory::unreserve(Address address, std::uint64_t bytes) {
    const auto found = reservations_.find(address);
    if (found == reservations_.end() || found->second != bytes) {
        return Status::invalid_value;
    }
    const auto inside = mappings_.lower_bound(address);
    if (inside != mappings_.end() && inside->first < address + bytes) {
        return Status::invalid_value;
    }
    munmap(pointer(address), bytes);
    reservations_.erase(found);
    return Status::success;
}

Status Memory::create_physical(int device, std::uint64_t bytes, std::uint64_t * handle,
                               Allocation * allocation) {
    if (bytes == 0 || bytes % granularity != 0) {
        return Status::invalid_value;
    }
    if (!charge(device, bytes)) {
        return Status::memory_allocation;
    }
    Physical physical{bytes, device, -1, 1, false};
    if (keeps_content_) {
        physical.file = memfd_create("llamaproof-device-memory", MFD_CLOEXEC);
        if (physical.file < 0 || ftruncate(physical.file, static_cast<off_t>(bytes)) != 0) {
            fatal(std::string("cannot back device memory: ") + std::strerror(errno));
        }
    }
    *handle = next_handle_++;
    physical_[*handle] = physical;
    *allocation = {bytes, bytes, LLAMAPROOF_MEMORY_PHYSICAL, device};
    return Status::success;
}

Status Memory::release_physical(std::uint64_t handle, Freed * freed) {
    const auto found = physical_.find(handle);
    if (found == physical_.end() || found->second.released) {
        return Status::invalid_value;
    }
    found->second.released = true;
    drop_reference(handle, freed);
    return Status::success;
}

Status Memory::map(Address address, std::uint64_t bytes, std::uint64_t offset,
                   std::uint64_t handle) {
    const auto reservation = holder(reservations_, address);
    const auto physical = physical_.find(handle);
    if (reservation == reservations_.end() || physical == physical_.end() ||
        physical->second.released || bytes == 0 || bytes % granularity != 0 ||
        address % granularity != 0 || address + bytes > reservation->first + reservation->second ||
        offset + bytes > physical->second.bytes) {
        return Status::invalid_value;
    }
    const auto next = mappings_.lower_bound(address);
    const auto before = holder(mappings_, address);
    if ((next != mappings_.end() && next->first < address + bytes) ||
        (before != mappings_.end() && before->first + before->second.bytes > address)) {
        return Status::invalid_value;
    }
    if (keeps_content_ && mmap(pointer(address), bytes, PROT_NONE, MAP_SHARED | MAP_FIXED,
                               physical->second.file, static_cast<off_t>(offset)) == MAP_FAILED) {
        fatal(std::string("cannot map device memory: ") + std::strerror(errno));
    }
    mappings_[address] = {bytes, handle, false};
    ++physical->second.references;
    return Status::success;
}

Status Memory::unmap(Address address, std::uint64_t bytes, Freed * freed) {
    // The driver unmaps whole mappings, one or several next to each other.
    const Address end = address + bytes;
    std::vector<Address> starts;
    Address position = address;
    while (position < end) {
        const auto found = mappings_.find(position);
        if (found == mappings_.end() || position + found->second.bytes > end) {
            return Status::invalid_value;
        }
        starts.push_back(position);
        position += found->second.bytes;
    }
    for (const Address start : starts) {
        const Mapping mapping = mappings_.at(start);
        if (mapping.accessible) {
            const int device = physical_.at(mapping.handle).device;
            tell(LLAMAPROOF_MEMORY_FREED, device, start, mapping.bytes, 0, "cuMemUnmap");
        }
        mappings_.erase(start);
        drop_reference(mapping.handle, freed);
    }
    if (keeps_content_ &&
        mmap(pointer(address), bytes, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
        fatal(std::string("cannot unmap device memory: ") + std::strerror(errno));
    }
    return Status::success;
}

Status Memory::set_access(Address address, std::uint64_t bytes, bool readable) {
    const Address end = address + bytes;
    Address position = address;
    while (position < end) {
        const auto found = mappings_.find(position);
        if (found == mappings_.end()) {
            return Status::invalid_value;
        }
        position += found->second.bytes;
    }
    for (auto found = mappings_.find(address); found != mappings_.end() && found->first < end;
         ++found) {
        Mapping & mapping = found->second;
        const int device = physical_.at(mapping.handle).device;
        if (keeps_content_) {
            mprotect(pointer(found->first), mapping.bytes,
                     readable ? PROT_READ | PROT_WRITE : PROT_NONE);
        }
        if (readable != mapping.accessible) {
            tell(readable ? LLAMAPROOF_MEMORY_ALLOCATED : LLAMAPROOF_MEMORY_FREED, device,
                 found->first, mapping.bytes, 0, "cuMemSetAccess");
        }
        mapping.accessible = readable;
    }
    return Status::success;
}

Place Memory::place(Address address, std::uint64_t bytes) const {
    for (std::size_t i = 0; i < heaps_.size(); ++i) {
        const Heap & heap = heaps_[i];
        if (address < heap.base || address >= heap.base + heap.size) {
            continue;
        }
        const auto found = holder(allocations_, address);
        const int device = static_cast<int>(i);
        if (found != allocations_.end() && address + bytes <= found->first + found->second.bytes) {
            return {Where::device, device};
        }
        return {Where::bad, device};
    }
    const auto reservation = holder(reservations_, address);
    if (reservation != reservations_.end() && address < reservation->first + reservation->second) {
        return place_in_reservation(address, bytes);
    }
    const auto host = holder(host_, address);
    if (host != host_.end() && address + bytes <= host->first + host->second.bytes) {
        const bool managed = host->second.kind == LLAMAPROOF_MEMORY_MANAGED;
        return {managed ? Where::managed : Where::pinned, host->second.device};
    }
    return {};
}

Place Memory::place_in_reservation(Address address, std::uint64_t bytes) const {
    int device = -1;
    Address position = address;
    while (position < address + std::max<std::uint64_t>(bytes, 1)) {
        const auto found = holder(mappings_, position);
        if (found == mappings_.end() || position >= found->first + found->second.bytes ||
            !found->second.accessible) {
            return {Where::bad, device};
        }
        device = physical_.at(found->second.handle).device;
        position = found->first + found->second.bytes;
    }
    return {Where::device, device};
}

const Allocation * Memory::find(Address address, Address * start) const {
    for (const auto * map : {&allocations_, &host_}) {
        const auto found = holder(*map, address);
        if (found != map->end() && address < found->first + found->second.bytes) {
            *start = found->first;
            return &found->second;
        }
    }
    return nullptr;
}

void Memory::restart_peaks() {
    for (Usage & usage : usage_) {
        usage.peak = usage.current;
    }
    pinned_usage_.peak = pinned_usage_.current;
}

void Memory::tell(llamaproof_memory_event_kind kind, int device, Address address,
                  std::uint64_t bytes, Address source, const char * call) const {
    if (listener_) {
        listener_({kind, device, address, bytes, source, call});
    }
}

Memory::Heap & Memory::heap(int device) {
    Heap & heap = heaps_.at(static_cast<std::size_t>(device));
    if (heap.size == 0) {
        // Twice the memory: fragments and gaps must not refuse what the card's size allows.
        heap.size = round_up(usage(device).total * 2, kBlock) + kBlock;
        heap.base = reserve_addresses(heap.size);
        heap.free[heap.base] = heap.size;
    }
    return heap;
}

bool Memory::charge(int device, std::uint64_t bytes) {
    Usage & usage = usage_.at(static_cast<std::size_t>(device));
    if (bytes > usage.total - usage.current) {
        return false;
    }
    raise_to(usage, bytes);
    return true;
}

void Memory::discharge(int device, std::uint64_t bytes) {
    usage_.at(static_cast<std::size_t>(device)).current -= bytes;
}

void Memory::drop_reference(std::uint64_t handle, Freed * freed) {
    Physical & physical = physical_.at(handle);
    if (--physical.references > 0) {
        return;
    }
    if (physical.file >= 0) {
        close(physical.file);
    }
    discharge(physical.device, physical.bytes);
    freed->push_back(
        {handle, {physical.bytes, physical.bytes, LLAMAPROOF_MEMORY_PHYSICAL, physical.device}});
    physical_.erase(handle);
}

}  // namespace shadow
