#include "machine.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>

namespace llamaproof::emulator {

namespace {

// How long a warp runs before another has its turn, so that waiting on another warp ends.
constexpr uint64_t time_slice = uint64_t(1) << 22;

uint32_t special_value(SpecialRegister which, const Block & block, const Warp & warp,
                       uint32_t lane) {
    const Dim3 & size = block.launch->block;
    const Dim3 & grid = block.launch->grid;
    const uint32_t thread = warp.index * lanes + lane;
    switch (which) {
        case SpecialRegister::tid_x: return thread % size.x;
        case SpecialRegister::tid_y: return thread / size.x % size.y;
        case SpecialRegister::tid_z: return thread / size.x / size.y;
        case SpecialRegister::ntid_x: return size.x;
        case SpecialRegister::ntid_y: return size.y;
        case SpecialRegister::ntid_z: return size.z;
        case SpecialRegister::ctaid_x: return block.id.x;
        case SpecialRegister::ctaid_y: return block.id.y;
        case SpecialRegister::ctaid_z: return block.id.z;
        case SpecialRegister::nctaid_x: return grid.x;
        case SpecialRegister::nctaid_y: return grid.y;
        case SpecialRegister::nctaid_z: return grid.z;
        case SpecialRegister::laneid: return lane;
        case SpecialRegister::warpid: return warp.index;
        case SpecialRegister::nwarpid: return static_cast<uint32_t>(block.warps.size());
        case SpecialRegister::lanemask_eq: return 1u << lane;
        case SpecialRegister::lanemask_lt: return (1u << lane) - 1;
        case SpecialRegister::lanemask_le: return lane == 31 ? full_mask : (2u << lane) - 1;
        case SpecialRegister::lanemask_gt: return lane == 31 ? 0 : ~((2u << lane) - 1);
        case SpecialRegister::lanemask_ge: return ~((1u << lane) - 1);
        case SpecialRegister::dynamic_smem_size: return block.launch->dynamic_shared;
        case SpecialRegister::total_smem_size: return block.shared_bytes;
        case SpecialRegister::zero: return 0;
        case SpecialRegister::one: return 1;
    }
    return 0;
}

void prepare_block(Worker & worker, uint64_t linear) {
    const Launch & launch = *worker.launch;
    const Kernel & kernel = *launch.kernel;
    Block & block = worker.block;
    block.launch = &launch;
    block.linear = linear;
    block.id = launch.grid.at(linear);
    block.epoch = 1;
    block.instructions = 0;
    block.barriers = {};
    block.shared_bytes = kernel.dynamic_shared_at + launch.dynamic_shared;
    ++worker.block_stamp;

    const auto threads = static_cast<uint32_t>(launch.block.product());
    const uint32_t warps = (threads + lanes - 1) / lanes;
    const size_t row_bytes = kernel.register_bytes + kernel.constants.size();
    const size_t stride = (row_bytes + 63) / 64 * 64;
    const size_t per_lane = kernel.local_bytes + kernel.call_param_bytes;
    // A few bytes beyond the end keep an address computed there inside the buffer.
    worker.shared_storage.assign(block.shared_bytes + 64, 0);
    worker.register_storage.resize(stride * warps + 64);
    worker.predicate_storage.assign(static_cast<size_t>(kernel.predicates) * warps, 0);
    worker.local_storage.assign(per_lane * lanes * warps, 0);
    block.shared = worker.shared_storage.data();
    if (launch.check) {
        const size_t granules = block.shared_bytes / kernel.shared_granule + 16;
        block.tags.written.assign(granules, 0);
        block.tags.read.assign(granules, 0);
    }
    auto * rows = reinterpret_cast<uint8_t *>(
        (reinterpret_cast<uintptr_t>(worker.register_storage.data()) + 63) / 64 * 64);
    block.warps.resize(warps);
    for (uint32_t w = 0; w < warps; ++w) {
        Warp & warp = block.warps[w];
        warp.registers = rows + stride * w;
        warp.predicates =
            worker.predicate_storage.data() + static_cast<size_t>(kernel.predicates) * w;
        const uint32_t rest = threads - w * lanes;
        warp.exists = rest >= lanes ? full_mask : (1u << rest) - 1;
        warp.active = warp.exists;
        warp.exited = 0;
        warp.pc = 0;
        warp.rpc = no_pc;
        warp.carry = 0;
        warp.state = WarpState::running;
        warp.index = w;
        warp.block = &block;
        warp.worker = &worker;
        warp.local = worker.local_storage.data() + per_lane * lanes * w;
        warp.call_params = warp.local + static_cast<size_t>(kernel.local_bytes) * lanes;
        warp.stack.clear();
        warp.copies.clear();
        warp.copy_groups.fill(0);
        warp.reduce_inst = nullptr;
        std::memset(warp.registers, 0, kernel.register_bytes);
        std::memcpy(warp.registers + kernel.register_bytes, kernel.constants.data(),
                    kernel.constants.size());
        for (const Kernel::SpecialRow & special : kernel.specials) {
            uint32_t * row = warp.row<uint32_t>(special.offset);
            for (uint32_t lane = 0; lane < lanes; ++lane) {
                row[lane] = special_value(special.which, block, warp, lane);
            }
        }
    }
}

// Runs one warp until it waits, ends, or its slice is over.
void run_warp(Worker & worker, Warp & warp, uint64_t slice) {
    const Kernel & kernel = *worker.launch->kernel;
    const Inst * code = kernel.code.data();
    uint64_t * executed = worker.executed.data();
    uint64_t lanes_active = 0, steps = 0;
    while (warp.state == WarpState::running && steps < slice) {
        if (warp.pc == warp.rpc || warp.active == 0) {
            if (warp.stack.empty()) {
                warp.state = WarpState::done;
                break;
            }
            const StackEntry entry = warp.stack.back();
            warp.stack.pop_back();
            warp.active = entry.mask & ~warp.exited;
            warp.pc = entry.pc;
            warp.rpc = entry.rpc;
            continue;
        }
        const Inst & inst = code[warp.pc];
        uint32_t mask = warp.active;
        ++steps;
        ++executed[warp.pc];
        ++warp.pc;
        if (inst.guard >= 0) {
            mask &= warp.predicates[inst.guard] ^ inst.guard_flip;
            if (mask == 0) continue;
        }
        lanes_active += static_cast<uint64_t>(__builtin_popcount(mask));
        worker.block.instructions += 1;
        inst.run(warp, inst, mask);
    }
    worker.counts.active_lanes += lanes_active;
}

uint32_t threads_of(const Warp & warp) {
    return static_cast<uint32_t>(__builtin_popcount(warp.exists));
}

// Lets warps pass a barrier that is complete. Returns whether any moved.
bool release_barriers(Worker & worker) {
    Block & block = worker.block;
    bool moved = false;
    const auto all = static_cast<uint32_t>(block.launch->block.product());
    for (uint32_t id = 0; id < block.barriers.size(); ++id) {
        uint32_t waiting = block.barriers[id].arrived, wanted = 0, gone = 0;
        Warp * first = nullptr;
        for (Warp & warp : block.warps) {
            if (warp.state == WarpState::done) {
                gone += threads_of(warp);
            } else if (warp.state == WarpState::at_barrier && warp.barrier_id == id) {
                waiting += threads_of(warp);
                if (first == nullptr) first = &warp;
                wanted = warp.barrier_threads;
            }
        }
        if (first == nullptr) continue;
        const bool counted = wanted != 0;
        if (!counted) wanted = all;
        // Threads that have ended count as arrived where the barrier is the whole block's.
        if (waiting + (counted ? 0 : gone) < wanted) continue;
        const Inst & inst = worker.launch->kernel->code[first->barrier_pc];
        if (!counted && gone != 0 && worker.launch->check) {
            worker.report(
                FindingKind::divergent_barrier, *first, inst, first_lane(first->exists), 0,
                std::to_string(gone) + " threads of the block had ended before this barrier");
        }
        uint32_t votes_and = 1, votes_or = 0, votes_sum = 0;
        for (Warp & warp : block.warps) {
            if (warp.state != WarpState::at_barrier || warp.barrier_id != id ||
                warp.reduce_inst == nullptr) {
                continue;
            }
            const uint32_t here = warp.exists & ~warp.exited;
            votes_and &= (warp.reduce_in & here) == here ? 1 : 0;
            votes_or |= (warp.reduce_in & here) != 0 ? 1 : 0;
            votes_sum += static_cast<uint32_t>(__builtin_popcount(warp.reduce_in & here));
        }
        for (Warp & warp : block.warps) {
            if (warp.state != WarpState::at_barrier || warp.barrier_id != id) continue;
            if (warp.reduce_inst != nullptr) {
                const Inst & reduce = *warp.reduce_inst;
                if (reduce.imm == 2) {
                    uint32_t * row = warp.row<uint32_t>(reduce.op[0]);
                    for (uint32_t rest = warp.active; rest != 0; rest &= rest - 1) {
                        row[__builtin_ctz(rest)] = votes_sum;
                    }
                } else {
                    const bool value = reduce.imm == 0 ? votes_and != 0 : votes_or != 0;
                    uint32_t & predicate = warp.predicates[reduce.op[0]];
                    predicate = value ? predicate | warp.active : predicate & ~warp.active;
                }
                warp.reduce_inst = nullptr;
            }
            warp.state = WarpState::running;
        }
        block.barriers[id].arrived = 0;
        ++block.epoch;
        moved = true;
    }
    return moved;
}

void run_block(Worker & worker, uint64_t linear) {
    prepare_block(worker, linear);
    Block & block = worker.block;
    const uint64_t limit = worker.launch->instruction_limit;
    for (;;) {
        bool any_running = false;
        for (Warp & warp : block.warps) {
            const uint64_t left =
                limit == 0 ? time_slice : limit + 1 - std::min(limit, block.instructions);
            if (warp.state == WarpState::running) {
                run_warp(worker, warp, std::min(time_slice, left));
            }
            any_running = any_running || warp.state == WarpState::running;
        }
        if (limit != 0 && block.instructions > limit) {
            throw Stop("kernel " + worker.launch->kernel->name + ", block " +
                       std::to_string(linear) + ": more than " + std::to_string(limit) +
                       " warp instructions; it may never end");
        }
        if (any_running) continue;
        if (release_barriers(worker)) continue;
        Warp * stuck = nullptr;
        for (Warp & warp : block.warps) {
            if (warp.state == WarpState::at_barrier && stuck == nullptr) stuck = &warp;
        }
        if (stuck == nullptr) return;
        const Inst & inst = worker.launch->kernel->code[stuck->barrier_pc];
        worker.report(FindingKind::deadlock, *stuck, inst, first_lane(stuck->exists), 0,
                      "this barrier is never completed: other warps wait elsewhere or have ended");
        for (Warp & warp : block.warps) {
            if (warp.state == WarpState::at_barrier) {
                warp.state = WarpState::running;
                warp.reduce_inst = nullptr;
            }
        }
        ++block.epoch;
    }
}

}  // namespace

Finding * Worker::count_finding(FindingKind kind, const Warp & warp, const Inst & inst, int lane,
                                uint64_t address) {
    const auto [found, fresh] = findings.try_emplace({static_cast<int>(kind), inst.pc});
    Finding & finding = found->second;
    ++finding.count;
    const auto thread = static_cast<uint32_t>(warp.index * lanes + static_cast<uint32_t>(lane));
    // Of several the one of the first block is told, whichever worker met it.
    if (!fresh && finding.block <= warp.block->linear) return nullptr;
    finding.kind = kind;
    finding.pc = inst.pc;
    finding.line = inst.line;
    finding.block = warp.block->linear;
    finding.thread = thread;
    finding.address = address;
    return &finding;
}

void stop_at(const Warp & warp, const Inst & inst, const std::string & what) {
    const Kernel & kernel = *warp.block->launch->kernel;
    throw Stop(what + " (kernel " + kernel.name + ", PTX line " + std::to_string(inst.line) +
               ", '" + kernel.text[inst.pc] + "', block " + std::to_string(warp.block->linear) +
               ", warp " + std::to_string(warp.index) + ")");
}

Machine::Machine() = default;
Machine::~Machine() = default;

LaunchResult Machine::run(const Launch & request) {
    const auto started = std::chrono::steady_clock::now();
    Launch launch = request;
    launch.serial = ++serial_;
    const Kernel & kernel = *launch.kernel;
    const uint64_t blocks = launch.grid.product(), threads = launch.block.product();
    if (blocks == 0 || threads == 0 || threads > 1024) {
        throw Stop("a launch of " + std::to_string(threads) + " threads in " +
                   std::to_string(blocks) + " blocks");
    }
    if (kernel.max_threads != 0 && threads > static_cast<uint64_t>(kernel.max_threads)) {
        throw Stop("kernel " + kernel.name + " is compiled for at most " +
                   std::to_string(kernel.max_threads) + " threads and got " +
                   std::to_string(threads));
    }
    if (launch.params.size() < kernel.param_bytes) {
        throw Stop("kernel " + kernel.name + " takes " + std::to_string(kernel.param_bytes) +
                   " bytes of parameters and got " + std::to_string(launch.params.size()));
    }
    if (launch.dynamic_shared > (1u << 20)) throw Stop("more than 1 MiB of shared memory");

    // Atomics whose result depends on the order of blocks run in the order of blocks.
    const auto wanted =
        kernel.ordered_atomics ? uint64_t(1) : static_cast<uint64_t>(std::max(1, launch.threads));
    const auto count = static_cast<size_t>(std::min<uint64_t>(wanted, blocks));
    while (workers_.size() < count) workers_.push_back(std::make_unique<Worker>());
    for (size_t i = 0; i < count; ++i) {
        Worker & worker = *workers_[i];
        worker.launch = &launch;
        worker.counts = {};
        worker.executed.assign(kernel.code.size(), 0);
        worker.allocation_of.assign(kernel.code.size(), nullptr);
        worker.block_stamps.resize(launch.memory->index_limit());
        worker.findings.clear();
        worker.printed.clear();
    }
    std::atomic<uint64_t> next{0};
    std::mutex lock;
    uint64_t failed_block = ~uint64_t(0);
    std::exception_ptr failure;
    const auto work = [&](size_t index) {
        for (;;) {
            const uint64_t block = next.fetch_add(1);
            if (block >= blocks) return;
            try {
                run_block(*workers_[index], block);
            } catch (...) {
                const std::lock_guard<std::mutex> guard(lock);
                if (block < failed_block) {
                    failed_block = block;
                    failure = std::current_exception();
                }
                next.store(blocks);
            }
        }
    };
    std::vector<std::thread> helpers;
    for (size_t i = 1; i < count; ++i) helpers.emplace_back(work, i);
    work(0);
    for (std::thread & helper : helpers) helper.join();
    if (failure) std::rethrow_exception(failure);

    LaunchResult result;
    result.executed.assign(kernel.code.size(), 0);
    std::map<std::pair<int, uint32_t>, Finding> findings;
    for (size_t i = 0; i < count; ++i) {
        Worker & worker = *workers_[i];
        result.counts.add(worker.counts);
        for (size_t pc = 0; pc < result.executed.size(); ++pc) {
            result.executed[pc] += worker.executed[pc];
        }
        result.printed += worker.printed;
        for (const auto & entry : worker.findings) {
            const auto [found, fresh] = findings.try_emplace(entry.first, entry.second);
            if (fresh) continue;
            Finding & merged = found->second;
            const uint64_t total = merged.count + entry.second.count;
            if (entry.second.block < merged.block) merged = entry.second;
            merged.count = total;
        }
    }
    for (const auto & entry : findings) result.findings.push_back(entry.second);
    std::sort(result.findings.begin(), result.findings.end(),
              [](const Finding & a, const Finding & b) {
                  return std::tie(a.pc, a.kind) < std::tie(b.pc, b.kind);
              });
    for (size_t pc = 0; pc < result.executed.size(); ++pc) {
        result.counts.by_class[static_cast<size_t>(kernel.code[pc].cls)] += result.executed[pc];
        result.counts.warp_instructions += result.executed[pc];
    }
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return result;
}

}  // namespace llamaproof::emulator
