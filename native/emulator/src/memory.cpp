#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "machine.h"

namespace llamaproof::emulator {

LazyPages::LazyPages(size_t bytes) : bytes_(std::max<size_t>(bytes, 1)) {
    void * pages = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<uint8_t *>(pages);
}

LazyPages::~LazyPages() {
    if (data_ != nullptr) munmap(data_, bytes_);
}

LazyPages::LazyPages(LazyPages && other) noexcept : data_(other.data_), bytes_(other.bytes_) {
    other.data_ = nullptr;
}

LazyPages & LazyPages::operator=(LazyPages && other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

bool Allocation::is_written(uint64_t address, uint64_t bytes) const {
    if (all_written) return true;
    const uint64_t offset = address - base;
    uint64_t at = offset;
    const uint64_t end = offset + bytes;
    while (at < end) {
        const uint64_t in_byte = at & 7;
        const uint64_t take = std::min<uint64_t>(8 - in_byte, end - at);
        const auto wanted = static_cast<uint8_t>(((1u << take) - 1) << in_byte);
        if ((__atomic_load_n(written.data() + (at >> 3), __ATOMIC_RELAXED) & wanted) != wanted) {
            return false;
        }
        at += take;
    }
    return true;
}

void Allocation::mark_written(uint64_t address, uint64_t bytes) {
    if (all_written) return;
    const uint64_t offset = address - base;
    uint64_t at = offset;
    const uint64_t end = offset + bytes;
    while (at < end) {
        const uint64_t in_byte = at & 7;
        if (in_byte == 0 && end - at >= 64) {
            const uint64_t whole = (end - at) >> 3;
            std::memset(written.data() + (at >> 3), 0xff, whole);
            at += whole << 3;
            continue;
        }
        const uint64_t take = std::min<uint64_t>(8 - in_byte, end - at);
        const auto set = static_cast<uint8_t>(((1u << take) - 1) << in_byte);
        uint8_t * byte = written.data() + (at >> 3);
        if ((__atomic_load_n(byte, __ATOMIC_RELAXED) & set) != set) {
            __atomic_fetch_or(byte, set, __ATOMIC_RELAXED);
        }
        at += take;
    }
}

void Allocation::mark_unwritten(uint64_t address, uint64_t bytes) {
    const uint64_t offset = address - base;
    if (all_written) {
        all_written = false;
        std::memset(written.data(), 0xff, (size + 7) / 8);
    }
    for (uint64_t at = offset; at < offset + bytes; ++at) {
        written.data()[at >> 3] = static_cast<uint8_t>(written.data()[at >> 3] & ~(1u << (at & 7)));
    }
}

uint64_t Allocation::first_unwritten(uint64_t address, uint64_t bytes) const {
    if (all_written) return bytes;
    const uint64_t offset = address - base;
    uint64_t at = 0;
    while (at < bytes) {
        const uint64_t bit = offset + at;
        if ((bit & 7) == 0 && bytes - at >= 8 && written.data()[bit >> 3] == 0xff) {
            at += 8;
        } else if ((written.data()[bit >> 3] >> (bit & 7)) & 1) {
            ++at;
        } else {
            return at;
        }
    }
    return bytes;
}

Allocation & Memory::add(uint64_t base, uint64_t size, uint8_t * host, bool written) {
    if (size == 0 || base + size < base) {
        throw Stop("a memory region without bytes, or beyond the address space");
    }
    const auto next = by_base_.upper_bound(base);
    if (next != by_base_.end() && next->first < base + size) {
        throw Stop("a memory region overlaps another");
    }
    if (next != by_base_.begin()) {
        const auto & before = *std::prev(next)->second;
        if (before.base + before.size > base) throw Stop("a memory region overlaps another");
    }
    auto allocation = std::make_unique<Allocation>();
    allocation->base = base;
    allocation->size = size;
    allocation->host = host;
    allocation->all_written = written;
    allocation->written = LazyPages(size / 8 + 16);
    allocation->read_stamps = LazyPages(allocation->sectors() * 4);
    allocation->write_stamps = LazyPages(allocation->sectors() * 4);
    if (free_indices_.empty()) {
        allocation->index = next_index_++;
    } else {
        allocation->index = free_indices_.back();
        free_indices_.pop_back();
    }
    return *(by_base_[base] = std::move(allocation));
}

void Memory::remove(uint64_t base) {
    const auto found = by_base_.find(base);
    if (found == by_base_.end()) throw Stop("no memory region begins there");
    free_indices_.push_back(found->second->index);
    by_base_.erase(found);
}

Allocation * Memory::find(uint64_t address) const {
    const auto next = by_base_.upper_bound(address);
    if (next == by_base_.begin()) return nullptr;
    Allocation * allocation = std::prev(next)->second.get();
    return allocation->holds(address, 1) ? allocation : nullptr;
}

void Memory::copy_marks(uint64_t to, uint64_t from, uint64_t bytes) {
    // Run by run of defined and of undefined bytes, as the source has them.
    for (uint64_t at = 0; at < bytes;) {
        const Allocation * source = find(from + at);
        if (source == nullptr) {  // host memory of the program: defined
            mark(to + at, bytes - at, true);
            break;
        }
        const uint64_t take = std::min(bytes - at, source->base + source->size - (from + at));
        const uint64_t defined = source->first_unwritten(from + at, take);
        if (defined != 0) {
            mark(to + at, defined, true);
            at += defined;
            continue;
        }
        uint64_t undefined = 1;
        while (undefined < take && !source->is_written(from + at + undefined, 1)) ++undefined;
        mark(to + at, undefined, false);
        at += undefined;
    }
}

Allocation * Memory::before(uint64_t address) const {
    const auto next = by_base_.upper_bound(address);
    return next == by_base_.begin() ? nullptr : std::prev(next)->second.get();
}

void Memory::mark(uint64_t address, uint64_t bytes, bool written) {
    // A range may span neighbouring allocations; what lies outside all of them is nobody's.
    uint64_t at = address;
    const uint64_t end = address + bytes;
    while (at < end) {
        Allocation * allocation = find(at);
        if (allocation == nullptr) {
            const auto next = by_base_.upper_bound(at);
            if (next == by_base_.end()) return;
            at = next->first;
            continue;
        }
        const uint64_t take = std::min(end, allocation->base + allocation->size) - at;
        if (written && take == allocation->size) {
            allocation->all_written = true;
        } else if (written) {
            allocation->mark_written(at, take);
        } else {
            allocation->mark_unwritten(at, take);
        }
        at += take;
    }
}

}  // namespace llamaproof::emulator
