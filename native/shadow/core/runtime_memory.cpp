// Memory: allocations, copies, and virtual memory management.

#include <algorithm>
#include <cstring>

#include "core/runtime.h"
#include "core/thread.h"

namespace shadow {
namespace {

Address address_of(const void * pointer) { return reinterpret_cast<Address>(pointer); }

std::uint64_t extent(std::uint64_t width, std::uint64_t rows, std::uint64_t pitch,
                     std::uint64_t slices, std::uint64_t slice_pitch) {
    return slice_pitch * (slices - 1) + pitch * (rows - 1) + width;
}

llamaproof_copy_direction direction_of(const Place & to, const Place & from) {
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
void fill_counting(std::uint8_t * to, std::uint64_t bytes, std::uint32_t modulus) {
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

}  // namespace

template <typename Allocate>
Status Runtime::allocate_recorded(const char * call, void ** address, Allocate allocate) {
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
    const Status status = allocate(&place, &allocation);
    if (status == Status::success && place != 0) {
        record_allocation(LLAMAPROOF_RECORD_ALLOCATE, call, place, allocation);
    }
    *address = reinterpret_cast<void *>(place);
    return status;
}

template <typename Free>
Status Runtime::free_recorded(const char * call, void * address, Free free) {
    const Lock lock(mutex_);
    if (const Status status = streams_.forbid_during_capture(thread_id());
        status != Status::success) {
        return status;
    }
    Allocation freed;
    const Status status = free(address_of(address), &freed);
    if (status == Status::success) {
        record_allocation(LLAMAPROOF_RECORD_FREE, call, address_of(address), freed);
    }
    return status;
}

Status Runtime::allocate(void ** address, std::uint64_t bytes) {
    return allocate_recorded("cudaMalloc", address, [&](Address * place, Allocation * allocation) {
        return memory_.allocate(current_device(), bytes, place, allocation);
    });
}

Status Runtime::allocate_managed(void ** address, std::uint64_t bytes) {
    return allocate_recorded(
        "cudaMallocManaged", address, [&](Address * place, Allocation * allocation) {
            return memory_.allocate_managed(current_device(), bytes, place, allocation);
        });
}

Status Runtime::allocate_host(void ** address, std::uint64_t bytes) {
    return allocate_recorded("cudaMallocHost", address,
                             [&](Address * place, Allocation * allocation) {
                                 return memory_.allocate_host(bytes, place, allocation);
                             });
}

Status Runtime::free(void * address) {
    if (address == nullptr) {
        return Status::success;
    }
    return free_recorded("cudaFree", address, [&](Address place, Allocation * freed) {
        return memory_.free(place, freed);
    });
}

Status Runtime::free_host(void * address) {
    if (address == nullptr) {
        return Status::success;
    }
    return free_recorded("cudaFreeHost", address, [&](Address place, Allocation * freed) {
        return memory_.free_host(place, freed);
    });
}

Status Runtime::register_host(void * address, std::uint64_t bytes) {
    const Lock lock(mutex_);
    if (const Status status = streams_.forbid_during_capture(thread_id());
        status != Status::success) {
        return status;
    }
    Allocation allocation;
    const Status status = memory_.register_host(address_of(address), bytes, &allocation);
    if (status == Status::success) {
        record_allocation(LLAMAPROOF_RECORD_ALLOCATE, "cudaHostRegister", address_of(address),
                          allocation);
    }
    return status;
}

Status Runtime::unregister_host(void * address) {
    return free_recorded("cudaHostUnregister", address, [&](Address place, Allocation * freed) {
        return memory_.unregister_host(place, freed);
    });
}

Status Runtime::copy(CopyOperation copy, int direction, const void * const * stream_handle) {
    Lock lock(mutex_);
    Stream * stream = nullptr;
    if (const Status status = stream_of_copy(stream_handle, &stream); status != Status::success) {
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

Status Runtime::set(SetOperation set, const void * const * stream_handle) {
    Lock lock(mutex_);
    Stream * stream = nullptr;
    if (const Status status = stream_of_copy(stream_handle, &stream); status != Status::success) {
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

Status Runtime::stream_of_copy(const void * const * handle, Stream ** stream) {
    if (handle != nullptr) {
        return check_stream(*handle, stream);
    }
    *stream = streams_.default_stream(current_device());
    return streams_.forbid_legacy();
}

Place Runtime::place(const void * address, Address * start, std::uint64_t * bytes) {
    const Lock lock(mutex_);
    *start = address_of(address);
    *bytes = 0;
    if (const Allocation * found = memory_.find(address_of(address), start)) {
        *bytes = found->bytes;
    }
    return memory_.place(address_of(address), 1);
}

Status Runtime::reserve(std::uint64_t bytes, Address * address) {
    const Lock lock(mutex_);
    return memory_.reserve(bytes, address);
}

Status Runtime::unreserve(Address address, std::uint64_t bytes) {
    const Lock lock(mutex_);
    return memory_.unreserve(address, bytes);
}

Status Runtime::create_physical(int device, std::uint64_t bytes, std::uint64_t * handle) {
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
    record_freed("cuMemRelease", freed);
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
    record_freed("cuMemUnmap", freed);
    return status;
}

Status Runtime::set_access(Address address, std::uint64_t bytes, bool readable) {
    const Lock lock(mutex_);
    return memory_.set_access(address, bytes, readable);
}

void Runtime::library_touches(bool writes, const void * address, std::uint64_t bytes,
                              const char * call) {
    const Place place = memory_.place(address_of(address), bytes);
    memory_.tell(writes ? LLAMAPROOF_MEMORY_WRITTEN : LLAMAPROOF_MEMORY_READ, place.device,
                 address_of(address), bytes, 0, call);
}

void Runtime::record_allocation(llamaproof_record_kind kind, const char * call, Address address,
                                const Allocation & allocation) {
    llamaproof_record record = blank(kind, call, nullptr);
    record.device = allocation.device;
    record.value[0] = address;
    record.value[1] = allocation.bytes;
    record.value[2] = allocation.charged;
    record.value[3] = allocation.kind;
    recorder_.add(record);
}

void Runtime::record_freed(const char * call, const Memory::Freed & freed) {
    for (const auto & [handle, allocation] : freed) {
        record_allocation(LLAMAPROOF_RECORD_FREE, call, handle, allocation);
    }
}

void Runtime::record_copy(const CopyOperation & copy, const Stream & stream) {
    llamaproof_record record = blank(LLAMAPROOF_RECORD_COPY, copy.call, &stream);
    record.value[0] = copy.destination;
    record.value[1] = copy.source;
    record.value[2] = copy.width;
    record.value[3] = copy.rows * copy.slices;
    record.value[4] = direction_of(copy.to, copy.from);
    record.value[5] = static_cast<std::uint64_t>(copy.from.device);
    recorder_.add(record);
}

void Runtime::perform_copy(const CopyOperation & copy) {
    if (!executes() && copy.to.on_device()) {
        return;
    }
    for (std::uint64_t slice = 0; slice < copy.slices; ++slice) {
        for (std::uint64_t row = 0; row < copy.rows; ++row) {
            copy_row(
                copy,
                copy.destination + slice * copy.destination_slice + row * copy.destination_pitch,
                copy.source + slice * copy.source_slice + row * copy.source_pitch);
        }
    }
}

void Runtime::copy_row(const CopyOperation & copy, Address to, Address from) {
    if (!executes() && copy.from.on_device()) {
        // Device memory holds nothing then: the host reads numbers that count up.
        fill_counting(reinterpret_cast<std::uint8_t *>(to), copy.width, read_back_modulus_);
        return;
    }
    if (copy.from.on_device() && !copy.to.on_device()) {
        memory_.tell(LLAMAPROOF_MEMORY_READ, copy.from.device, from, copy.width, 0, copy.call);
    }
    std::memmove(reinterpret_cast<void *>(to), reinterpret_cast<const void *>(from), copy.width);
    if (copy.to.on_device()) {
        memory_.tell(copy.from.on_device() ? LLAMAPROOF_MEMORY_COPIED : LLAMAPROOF_MEMORY_WRITTEN,
                     copy.to.device, to, copy.width, from, copy.call);
    }
}

void Runtime::perform_set(const SetOperation & set) {
    if (!executes() && set.to.on_device()) {
        return;
    }
    for (std::uint64_t row = 0; row < set.rows; ++row) {
        const Address to = set.destination + row * set.pitch;
        std::memset(reinterpret_cast<void *>(to), set.value, set.width);
        if (set.to.on_device()) {
            memory_.tell(LLAMAPROOF_MEMORY_WRITTEN, set.to.device, to, set.width, 0, set.call);
        }
    }
}

}  // namespace shadow
