#include "access.h"

#include <algorithm>
#include <cstdio>

namespace llamaproof::emulator {

namespace {

std::string hexadecimal(uint64_t value) {
    char text[32];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return text;
}

// Where a bad address lies, for a person.
std::string place_in_words(const Memory & memory, uint64_t address, uint32_t bytes) {
    constexpr uint64_t near = 1 << 20;
    if (address < 65536) return "at a null pointer";
    const Allocation * allocation = memory.before(address);
    if (allocation == nullptr) return "outside every allocation";
    const std::string name = "the allocation of " + std::to_string(allocation->size) +
                             " bytes at " + hexadecimal(allocation->base);
    if (allocation->holds(address, 1)) {
        return std::to_string(bytes) + " bytes across the end of " + name;
    }
    const uint64_t beyond = address - (allocation->base + allocation->size);
    return beyond < near ? std::to_string(beyond) + " bytes past the end of " + name
                         : "outside every allocation";
}

// The lanes that are aligned; reports the others.
uint32_t aligned_lanes(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address,
                       uint32_t bytes) {
    uint64_t low = 0;
    for (int i = 0; i < lanes; ++i) low |= (mask >> i) & 1 ? address.at[i] : 0;
    if ((low & (bytes - 1)) == 0) return mask;
    uint32_t good = 0;
    for (const int lane : lanes_of(mask)) {
        if ((address.at[lane] & (bytes - 1)) == 0) {
            good |= 1u << lane;
        } else {
            warp.worker->report(FindingKind::misaligned, warp, inst, lane, address.at[lane], [&] {
                return "an access of " + std::to_string(bytes) + " bytes at " +
                       hexadecimal(address.at[lane]);
            });
        }
    }
    return good;
}

uint32_t * stamps_of(Worker & worker, const Allocation & allocation, bool write) {
    Worker::Stamps & stamps = worker.block_stamps[allocation.index];
    if (stamps.sectors < allocation.sectors()) {
        stamps.read = LazyPages(allocation.sectors() * 4);
        stamps.write = LazyPages(allocation.sectors() * 4);
        stamps.sectors = allocation.sectors();
    }
    return reinterpret_cast<uint32_t *>((write ? stamps.write : stamps.read).data());
}

struct SectorCounter {
    Worker & worker;
    bool write;
    uint64_t requested = 0;
    uint64_t seen[lanes * 2];
    int seen_count = 0;
    uint64_t highest = 0;

    void touch(const Allocation & allocation, uint32_t * stamps, uint64_t sector, uint64_t key) {
        // Within one instruction a sector counts once. Lanes mostly ascend, so the search is rare.
        if (seen_count != 0) {
            if (key == seen[seen_count - 1]) return;
            if (key <= highest && std::find(seen, seen + seen_count, key) != seen + seen_count) {
                return;
            }
        }
        highest = std::max(highest, key);
        if (seen_count < lanes * 2) seen[seen_count++] = key;
        ++requested;
        if (stamps[sector] == worker.block_stamp) return;
        stamps[sector] = worker.block_stamp;
        Counts & counts = worker.counts;
        ++(write ? counts.sectors_written_per_block : counts.sectors_read_per_block);
        auto * launch = reinterpret_cast<uint32_t *>(
                            (write ? allocation.write_stamps : allocation.read_stamps).data()) +
                        sector;
        const uint32_t serial = worker.launch->serial;
        if (__atomic_load_n(launch, __ATOMIC_RELAXED) == serial) return;
        if (__atomic_exchange_n(launch, serial, __ATOMIC_RELAXED) != serial) {
            ++(write ? counts.sectors_written_unique : counts.sectors_read_unique);
        }
    }
};

// What one warp instruction does in global memory.
class GlobalAccess {
public:
    GlobalAccess(Warp & warp, const Inst & inst, const Lanes64 & address, uint32_t bytes,
                 bool write, HostLanes & host)
        : warp_(warp),
          inst_(inst),
          worker_(*warp.worker),
          address_(address),
          bytes_(bytes),
          write_(write),
          host_(host) {}

    uint32_t carry_out(uint32_t mask) {
        mask = aligned_lanes(warp_, inst_, mask, address_, bytes_);
        if (mask == 0) return 0;
        const uint32_t good = all_in_one_allocation(mask) ? take_all(mask) : take_each(mask);
        if (good == 0) return 0;
        const bool check = worker_.launch->check;
        if (check && !write_ && !(shared_ != nullptr && shared_->all_written)) report_unread(good);
        Counts & counts = worker_.counts;
        (write_ ? counts.global_bytes_written : counts.global_bytes_read) +=
            uint64_t(bytes_) * static_cast<uint64_t>(__builtin_popcount(good));
        if (check) count_sectors(good);
        return good;
    }

private:
    bool holds_all(const Allocation * allocation, uint64_t low, uint64_t high) const {
        return allocation != nullptr && allocation->holds(low, bytes_) &&
               allocation->holds(high, bytes_);
    }

    // As nearly always: then no lane needs looking up.
    bool all_in_one_allocation(uint32_t mask) {
        const uint64_t first = address_.at[first_lane(mask)];
        uint64_t low = first, high = first;
        for (int i = 0; i < lanes; ++i) {
            const uint64_t a = (mask >> i) & 1 ? address_.at[i] : first;
            low = std::min(low, a);
            high = std::max(high, a);
        }
        Allocation *& remembered = worker_.allocation_of[inst_.pc];
        if (!holds_all(remembered, low, high)) {
            Allocation * const found = worker_.launch->memory->find(low);
            if (found != nullptr) remembered = found;
        }
        shared_ = holds_all(remembered, low, high) ? remembered : nullptr;
        return shared_ != nullptr;
    }

    uint32_t take_all(uint32_t mask) {
        uint8_t * const delta = shared_->host - shared_->base;
        for (int i = 0; i < lanes; ++i) host_.at[i] = delta + address_.at[i];
        return mask;
    }

    uint32_t take_each(uint32_t mask) {
        uint32_t good = 0;
        for (const int lane : lanes_of(mask)) {
            const uint64_t address = address_.at[lane];
            Allocation * const allocation = worker_.launch->memory->find(address);
            if (allocation == nullptr || !allocation->holds(address, bytes_)) {
                report_outside(lane);
                continue;
            }
            of_lane_[lane] = allocation;
            host_.at[lane] = allocation->at(address);
            good |= 1u << lane;
        }
        return good;
    }

    const Allocation & allocation_of(int lane) const {
        return shared_ != nullptr ? *shared_ : *of_lane_[lane];
    }

    void report_outside(int lane) {
        const uint64_t address = address_.at[lane];
        worker_.report(FindingKind::out_of_bounds, warp_, inst_, lane, address, [&] {
            return std::string(write_ ? "a write of " : "a read of ") + std::to_string(bytes_) +
                   " bytes at " + hexadecimal(address) + ", " +
                   place_in_words(*worker_.launch->memory, address, bytes_);
        });
    }

    void report_unread(uint32_t mask) {
        for (const int lane : lanes_of(mask)) {
            const uint64_t address = address_.at[lane];
            const Allocation & allocation = allocation_of(lane);
            if (allocation.is_written(address, bytes_)) continue;
            worker_.report(FindingKind::uninitialised_read, warp_, inst_, lane, address, [&] {
                return "a read of " + std::to_string(bytes_) + " bytes at " + hexadecimal(address) +
                       ", offset " + std::to_string(address - allocation.base) +
                       " of the allocation of " + std::to_string(allocation.size) +
                       " bytes, that nothing has written";
            });
        }
    }

    void count_sectors(uint32_t mask) {
        SectorCounter counter{worker_, write_, 0, {}, 0, 0};
        uint32_t * const shared = shared_ ? stamps_of(worker_, *shared_, write_) : nullptr;
        for (const int lane : lanes_of(mask)) {
            const Allocation & allocation = allocation_of(lane);
            uint32_t * const stamps = shared ? shared : stamps_of(worker_, allocation, write_);
            const uint64_t address = address_.at[lane];
            counter.touch(allocation, stamps, allocation.sector_of(address), address >> 5);
        }
        Counts & counts = worker_.counts;
        (write_ ? counts.sectors_written_requested : counts.sectors_read_requested) +=
            counter.requested;
    }

    Warp & warp_;
    const Inst & inst_;
    Worker & worker_;
    const Lanes64 & address_;
    const uint32_t bytes_;
    const bool write_;
    HostLanes & host_;
    Allocation * shared_ = nullptr;  // that of all lanes, where it is one
    Allocation * of_lane_[lanes];    // else each lane's
};

}  // namespace

void add_offset(Warp & warp, uint32_t row, uint32_t row_bytes, uint64_t offset, Lanes64 & address) {
    if (row_bytes == 8) {
        const uint64_t * base = warp.row<uint64_t>(row);
        for (int i = 0; i < lanes; ++i) address.at[i] = base[i] + offset;
    } else if (row_bytes == 4) {
        const uint32_t * base = warp.row<uint32_t>(row);
        for (int i = 0; i < lanes; ++i) {
            address.at[i] = static_cast<uint32_t>(base[i] + static_cast<uint32_t>(offset));
        }
    } else {
        for (uint64_t & a : address.at) a = offset;
    }
}

uint32_t access_global(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address,
                       uint32_t bytes, bool write, HostLanes & host) {
    return GlobalAccess(warp, inst, address, bytes, write, host).carry_out(mask);
}

void mark_global(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address,
                 uint32_t bytes) {
    Worker & worker = *warp.worker;
    if (!worker.launch->check) return;
    Allocation * remembered = worker.allocation_of[inst.pc];
    for (const int lane : lanes_of(mask)) {
        Allocation * allocation = remembered;
        if (allocation == nullptr || !allocation->holds(address.at[lane], bytes)) {
            allocation = worker.launch->memory->find(address.at[lane]);
        }
        if (allocation != nullptr) allocation->mark_written(address.at[lane], bytes);
    }
}

namespace {

// The race tables where one lane's bytes are.
struct Tags {
    uint32_t * written;
    uint32_t * read;
    uint32_t granules;
    uint32_t epoch;
    uint32_t mine, pending_mine;

    Tags(Block & block, uint32_t first, uint32_t count, uint32_t warp_tag)
        : written(block.tags.written.data() + first),
          read(block.tags.read.data() + first),
          granules(count),
          epoch(block.epoch),
          mine(block.epoch << 8 | warp_tag),
          pending_mine(pending_epoch << 8 | warp_tag) {}

    bool foreign(uint32_t tag) const { return tag >> 8 == epoch && tag != mine; }
    bool read_by_others() const {
        return std::any_of(read, read + granules, [&](uint32_t tag) { return foreign(tag); });
    }
};

enum class Noted { clean, raced, in_flight };

void note_landing(const Tags & tags) {
    for (uint32_t g = 0; g < tags.granules; ++g) {
        if (tags.written[g] == tags.pending_mine) tags.written[g] = tags.mine;
    }
}

Noted note_read(const Tags & tags) {
    Noted noted = Noted::clean;
    for (uint32_t g = 0; g < tags.granules; ++g) {
        if (tags.written[g] >> 8 == pending_epoch) {
            noted = Noted::in_flight;
            continue;
        }
        if (tags.foreign(tags.written[g]) && noted == Noted::clean) noted = Noted::raced;
        tags.read[g] = tags.foreign(tags.read[g]) ? (tags.epoch << 8 | 0xff) : tags.mine;
    }
    return noted;
}

Noted note_write(const Tags & tags, uint32_t tag) {
    Noted noted = Noted::clean;
    for (uint32_t g = 0; g < tags.granules; ++g) {
        if (tags.written[g] >> 8 == pending_epoch) {
            noted = Noted::in_flight;
            continue;
        }
        const bool foreign = tags.foreign(tags.written[g]) || tags.foreign(tags.read[g]);
        if (foreign && noted == Noted::clean) noted = Noted::raced;
        tags.written[g] = tag;
    }
    return noted;
}

Noted note(const Tags & tags, SharedUse use) {
    switch (use) {
        case SharedUse::read: return note_read(tags);
        case SharedUse::write: return note_write(tags, tags.mine);
        case SharedUse::async_begin: return note_write(tags, tags.pending_mine);
        case SharedUse::async_end: note_landing(tags);
    }
    return Noted::clean;
}

// The common case, 16 bytes a lane in granules of 4, without a branch inside.
bool note_read_of_four(Block & block, uint32_t granule_first, uint32_t warp_tag) {
    const uint32_t * written = block.tags.written.data() + granule_first;
    uint32_t * read = block.tags.read.data() + granule_first;
    const uint32_t epoch = block.epoch, mine = epoch << 8 | warp_tag, several = epoch << 8 | 0xff;
    uint32_t bad = 0;
    for (int g = 0; g < 4; ++g) {
        const uint32_t tag = written[g];
        bad |= static_cast<uint32_t>(tag >> 8 == pending_epoch) |
               static_cast<uint32_t>((tag >> 8 == epoch) & (tag != mine));
    }
    for (int g = 0; g < 4; ++g) {
        read[g] = ((read[g] >> 8 == epoch) & (read[g] != mine)) != 0 ? several : mine;
    }
    return bad == 0;
}

// The lanes whose bytes are within shared memory; reports the others.
uint32_t lanes_inside(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address,
                      uint32_t bytes) {
    const uint64_t size = warp.block->shared_bytes;
    uint64_t high = 0;
    for (int i = 0; i < lanes; ++i) high = std::max(high, (mask >> i) & 1 ? address.at[i] : 0);
    if (high + bytes <= size && high + bytes >= high) return mask;
    uint32_t good = 0;
    for (const int lane : lanes_of(mask)) {
        const uint64_t at = address.at[lane];
        if (at <= size && size - at >= bytes) {
            good |= 1u << lane;
            continue;
        }
        warp.worker->report(FindingKind::out_of_bounds, warp, inst, lane, at, [&] {
            return "an access of " + std::to_string(bytes) + " bytes at " + hexadecimal(at) +
                   " of shared memory, which has " + std::to_string(size) + " bytes";
        });
    }
    return good;
}

void report_in_flight(Warp & warp, const Inst & inst, int lane, uint32_t at) {
    warp.worker->report(FindingKind::async_not_waited, warp, inst, lane, at, [&] {
        return "shared memory at " + hexadecimal(at) +
               " is the target of an asynchronous copy that was not waited for";
    });
}

void report_race(Warp & warp, const Inst & inst, int lane, uint32_t at, SharedUse use) {
    const bool reads = use == SharedUse::read;
    warp.worker->report(FindingKind::shared_race, warp, inst, lane, at, [&] {
        return std::string(reads ? "a read" : "a write") + " of shared memory at " +
               hexadecimal(at) + " that another warp " + (reads ? "writes" : "reads or writes") +
               " with no barrier between";
    });
}

// Passes over the banks that one phase takes beyond the first: the most distinct words of a bank.
uint32_t conflicts_of_phase(uint32_t phase, const Lanes64 & address) {
    uint32_t heads[lanes];
    uint32_t next[lanes];
    uint32_t degree[lanes] = {};
    uint32_t used = 0, most = 1;
    for (const int i : lanes_of(phase)) {
        const auto lane = static_cast<uint32_t>(i);
        const uint64_t word = address.at[lane] >> 2;
        const uint32_t bank = word & 31;
        if (((used >> bank) & 1) == 0) heads[bank] = lanes;
        used |= 1u << bank;
        bool known = false;
        for (uint32_t other = heads[bank]; other != lanes; other = next[other]) {
            known = known || address.at[other] >> 2 == word;
        }
        if (known) continue;
        next[lane] = heads[bank];
        heads[bank] = lane;
        most = std::max(most, ++degree[bank]);
    }
    return most - 1;
}

uint32_t banks_of(uint32_t phase, const Lanes64 & address, int begin, int end) {
    uint32_t banks = 0;
    for (int i = begin; i < end; ++i) {
        const uint32_t bit = 1u << ((address.at[i] >> 2) & 31);
        banks |= (phase >> i) & 1 ? bit : 0;
    }
    return banks;
}

// Who used one lane's bytes, before and now; reports what must not be.
void check_races(Warp & warp, const Inst & inst, int lane, uint32_t at, uint32_t bytes,
                 SharedUse use, const uint8_t * value) {
    Block & block = *warp.block;
    const uint32_t granule = warp.worker->launch->kernel->shared_granule, tag = warp.index + 1;
    if (use == SharedUse::read && granule == 4 && bytes == 16 &&
        note_read_of_four(block, at / 4, tag)) {
        return;
    }
    const Tags tags(block, at / granule, std::max(1u, bytes / granule), tag);
    const Noted noted = note(tags, use);
    if (noted == Noted::clean) return;
    if (noted == Noted::in_flight) return report_in_flight(warp, inst, lane, at);
    const bool changes =
        value == nullptr ||
        std::memcmp(block.shared + at, value + static_cast<size_t>(lane) * bytes, bytes) != 0;
    // Writing what is there already harms nobody who does not read it.
    if (changes || tags.read_by_others()) report_race(warp, inst, lane, at, use);
}

}  // namespace

uint32_t access_shared(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address,
                       uint32_t bytes, SharedUse use, const uint8_t * value) {
    mask = aligned_lanes(warp, inst, mask, address, bytes);
    if (mask != 0) mask = lanes_inside(warp, inst, mask, address, bytes);
    if (mask == 0 || !warp.worker->launch->check) return mask;
    for (const int lane : lanes_of(mask)) {
        check_races(warp, inst, lane, static_cast<uint32_t>(address.at[lane]), bytes, use, value);
    }
    return mask;
}

void count_banks(Warp & warp, uint32_t mask, const Lanes64 & address, uint32_t bytes) {
    Counts & counts = warp.worker->counts;
    ++counts.shared_accesses;
    if (!warp.worker->launch->check) return;
    // Lanes go in phases of 128 bytes: 32 lanes of 4, 16 of 8, 8 of 16.
    const int per_phase = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8;
    for (int begin = 0; begin < lanes; begin += per_phase) {
        const uint32_t phase = mask & ((full_mask >> (lanes - per_phase)) << begin);
        const uint32_t banks = banks_of(phase, address, begin, begin + per_phase);
        if (__builtin_popcount(banks) == __builtin_popcount(phase)) continue;
        counts.shared_conflicts += conflicts_of_phase(phase, address);
    }
}

}  // namespace llamaproof::emulator
