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
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
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

}  // namespace

uint32_t access_global(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address,
                       uint32_t bytes, bool write, HostLanes & host) {
    Worker & worker = *warp.worker;
    mask = aligned_lanes(warp, inst, mask, address, bytes);
    if (mask == 0) return 0;
    const int first = first_lane(mask);
    uint64_t low = address.at[first], high = low;
    for (int i = 0; i < lanes; ++i) {
        const uint64_t a = (mask >> i) & 1 ? address.at[i] : address.at[first];
        low = std::min(low, a);
        high = std::max(high, a);
    }
    Allocation *& remembered = worker.allocation_of[inst.pc];
    const auto holds_all = [&](const Allocation * a) {
        return a != nullptr && a->holds(low, bytes) && a->holds(high, bytes);
    };
    if (!holds_all(remembered)) {
        Allocation * found = worker.launch->memory->find(low);
        if (found != nullptr) remembered = found;
    }
    const bool uniform = holds_all(remembered);
    Allocation * of_lane[lanes];
    uint32_t good = 0;
    if (uniform) {
        good = mask;
        const uint8_t * delta = remembered->host - remembered->base;
        for (int i = 0; i < lanes; ++i) host.at[i] = const_cast<uint8_t *>(delta + address.at[i]);
    } else {
        for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
            const int lane = __builtin_ctz(rest);
            Allocation * allocation = worker.launch->memory->find(address.at[lane]);
            if (allocation == nullptr || !allocation->holds(address.at[lane], bytes)) {
                worker.report(FindingKind::out_of_bounds, warp, inst, lane, address.at[lane], [&] {
                    return std::string(write ? "a write of " : "a read of ") +
                           std::to_string(bytes) + " bytes at " + hexadecimal(address.at[lane]) +
                           ", " + place_in_words(*worker.launch->memory, address.at[lane], bytes);
                });
                continue;
            }
            of_lane[lane] = allocation;
            host.at[lane] = allocation->at(address.at[lane]);
            good |= 1u << lane;
        }
        if (good == 0) return 0;
    }
    const bool check = worker.launch->check;
    if (check && !write && !(uniform && remembered->all_written)) {
        for (uint32_t rest = good; rest != 0; rest &= rest - 1) {
            const int lane = __builtin_ctz(rest);
            const Allocation & allocation = uniform ? *remembered : *of_lane[lane];
            if (allocation.is_written(address.at[lane], bytes)) continue;
            worker.report(FindingKind::uninitialised_read, warp, inst, lane, address.at[lane], [&] {
                return "a read of " + std::to_string(bytes) + " bytes at " +
                       hexadecimal(address.at[lane]) + ", offset " +
                       std::to_string(address.at[lane] - allocation.base) +
                       " of the allocation of " + std::to_string(allocation.size) +
                       " bytes, that nothing has written";
            });
        }
    }
    const uint64_t total = uint64_t(bytes) * static_cast<uint64_t>(__builtin_popcount(good));
    (write ? worker.counts.global_bytes_written : worker.counts.global_bytes_read) += total;
    if (check) {
        SectorCounter counter{worker, write, 0, {}, 0, 0};
        uint32_t * stamps = uniform ? stamps_of(worker, *remembered, write) : nullptr;
        for (uint32_t rest = good; rest != 0; rest &= rest - 1) {
            const int lane = __builtin_ctz(rest);
            const Allocation & allocation = uniform ? *remembered : *of_lane[lane];
            uint32_t * table = uniform ? stamps : stamps_of(worker, allocation, write);
            counter.touch(allocation, table, allocation.sector_of(address.at[lane]),
                          address.at[lane] >> 5);
        }
        (write ? worker.counts.sectors_written_requested : worker.counts.sectors_read_requested) +=
            counter.requested;
    }
    return good;
}

void mark_global(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address,
                 uint32_t bytes) {
    Worker & worker = *warp.worker;
    if (!worker.launch->check) return;
    Allocation * remembered = worker.allocation_of[inst.pc];
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
        Allocation * allocation = remembered;
        if (allocation == nullptr || !allocation->holds(address.at[lane], bytes)) {
            allocation = worker.launch->memory->find(address.at[lane]);
        }
        if (allocation != nullptr) allocation->mark_written(address.at[lane], bytes);
    }
}

namespace {

// One lane's bytes in the race tables; false where another warp is in the way.
bool note_shared(Block & block, uint32_t granule_first, uint32_t granules, uint32_t warp_tag,
                 SharedUse use, bool & pending) {
    uint32_t * written = block.tags.written.data() + granule_first;
    uint32_t * read = block.tags.read.data() + granule_first;
    const uint32_t epoch = block.epoch, mine = epoch << 8 | warp_tag,
                   pending_mine = pending_epoch << 8 | warp_tag;
    bool clean = true;
    for (uint32_t g = 0; g < granules; ++g) {
        const bool in_flight = written[g] >> 8 == pending_epoch;
        if (use == SharedUse::async_end) {
            if (written[g] == pending_mine) written[g] = mine;
            continue;
        }
        if (in_flight) {
            pending = true;
            clean = false;
            continue;
        }
        const bool foreign_write = written[g] >> 8 == epoch && written[g] != mine;
        if (use == SharedUse::read) {
            clean = clean && !foreign_write;
            read[g] = read[g] >> 8 == epoch && read[g] != mine ? (epoch << 8 | 0xff) : mine;
        } else {
            const bool foreign_read = read[g] >> 8 == epoch && read[g] != mine;
            clean = clean && !foreign_write && !foreign_read;
            written[g] = use == SharedUse::async_begin ? pending_mine : mine;
        }
    }
    return clean;
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
        read[g] = (read[g] >> 8 == epoch) & (read[g] != mine) ? several : mine;
    }
    return bad == 0;
}

}  // namespace

uint32_t access_shared(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address,
                       uint32_t bytes, SharedUse use, const uint8_t * value) {
    Worker & worker = *warp.worker;
    Block & block = *warp.block;
    mask = aligned_lanes(warp, inst, mask, address, bytes);
    if (mask == 0) return 0;
    uint64_t high = 0;
    for (int i = 0; i < lanes; ++i) high = std::max(high, (mask >> i) & 1 ? address.at[i] : 0);
    const uint64_t size = block.shared_bytes;
    if (high + bytes > size || high + bytes < high) {
        uint32_t good = 0;
        for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
            const int lane = __builtin_ctz(rest);
            if (address.at[lane] <= size && size - address.at[lane] >= bytes) {
                good |= 1u << lane;
                continue;
            }
            worker.report(FindingKind::out_of_bounds, warp, inst, lane, address.at[lane], [&] {
                return "an access of " + std::to_string(bytes) + " bytes at " +
                       hexadecimal(address.at[lane]) + " of shared memory, which has " +
                       std::to_string(size) + " bytes";
            });
        }
        mask = good;
        if (mask == 0) return 0;
    }
    if (!worker.launch->check) return mask;
    const uint32_t granule = worker.launch->kernel->shared_granule;
    const uint32_t granules = std::max(1u, bytes / granule);
    const uint32_t tag = warp.index + 1;
    const bool four = use == SharedUse::read && granule == 4 && bytes == 16;
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
        const auto at = static_cast<uint32_t>(address.at[lane]);
        bool pending = false;
        if (four && note_read_of_four(block, at / 4, tag)) continue;
        if (note_shared(block, at / granule, granules, tag, use, pending)) continue;
        if (pending) {
            worker.report(FindingKind::async_not_waited, warp, inst, lane, at, [&] {
                return "shared memory at " + hexadecimal(at) +
                       " is the target of an asynchronous copy that was not waited for";
            });
            continue;
        }
        if (value != nullptr &&
            std::memcmp(block.shared + at, value + static_cast<size_t>(lane) * bytes, bytes) == 0) {
            const uint32_t * read = block.tags.read.data() + at / granule;
            bool others_read = false;
            for (uint32_t g = 0; g < granules; ++g) {
                others_read = others_read ||
                              (read[g] >> 8 == block.epoch && read[g] != (block.epoch << 8 | tag));
            }
            // Writing what is there already harms nobody.
            if (!others_read) continue;
        }
        worker.report(FindingKind::shared_race, warp, inst, lane, at, [&] {
            return std::string(use == SharedUse::read ? "a read" : "a write") +
                   " of shared memory at " + hexadecimal(at) + " that another warp " +
                   (use == SharedUse::read ? "writes" : "reads or writes") +
                   " with no barrier between";
        });
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
        const uint32_t phase =
            mask & (per_phase == 32 ? full_mask : ((1u << per_phase) - 1) << begin);
        if (phase == 0) continue;
        uint32_t banks = 0;
        for (int i = begin; i < begin + per_phase; ++i) {
            const uint32_t bit = 1u << ((address.at[i] >> 2) & 31);
            banks |= (phase >> i) & 1 ? bit : 0;
        }
        if (__builtin_popcount(banks) == __builtin_popcount(phase)) continue;
        uint32_t heads[lanes];
        uint32_t next[lanes];
        uint32_t degree[lanes] = {};
        uint32_t used = 0, most = 1;
        for (uint32_t rest = phase; rest != 0; rest &= rest - 1) {
            const auto lane = static_cast<uint32_t>(__builtin_ctz(rest));
            const uint32_t bank = (address.at[lane] >> 2) & 31;
            const uint64_t word = address.at[lane] >> 2;
            bool known = false;
            if ((used >> bank) & 1) {
                for (uint32_t other = heads[bank]; other != lanes; other = next[other]) {
                    known = known || address.at[other] >> 2 == word;
                }
            } else {
                heads[bank] = lanes;
                used |= 1u << bank;
            }
            if (known) continue;
            next[lane] = heads[bank];
            heads[bank] = lane;
            most = std::max(most, ++degree[bank]);
        }
        counts.shared_conflicts += most - 1;
    }
}

}  // namespace llamaproof::emulator
