#include "machine.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>

#include "rows.h"

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

// What a block's warps are given out of the worker's storage.
struct Layout {
    size_t rows, row_stride;    // bytes of a warp's registers
    size_t predicates;          // of a warp
    size_t local, call_params;  // bytes of a warp
    uint8_t * first_row;

    static Layout of(Worker & worker, uint32_t warps) {
        const Kernel & kernel = *worker.launch->kernel;
        Layout layout{};
        layout.rows = kernel.register_bytes + kernel.constants.size();
        layout.row_stride = (layout.rows + 63) / 64 * 64;
        layout.predicates = kernel.predicates;
        layout.local = static_cast<size_t>(kernel.local_bytes) * lanes;
        layout.call_params = static_cast<size_t>(kernel.call_param_bytes) * lanes;
        worker.register_storage.resize(layout.row_stride * warps + 64);
        worker.predicate_storage.assign(layout.predicates * warps, 0);
        worker.local_storage.assign((layout.local + layout.call_params) * warps, 0);
        const auto storage = reinterpret_cast<uintptr_t>(worker.register_storage.data());
        layout.first_row = reinterpret_cast<uint8_t *>((storage + 63) / 64 * 64);
        return layout;
    }
};

void fill_registers(Warp & warp) {
    const Kernel & kernel = *warp.block->launch->kernel;
    std::memset(warp.registers, 0, kernel.register_bytes);
    std::memcpy(warp.registers + kernel.register_bytes, kernel.constants.data(),
                kernel.constants.size());
    for (const Kernel::SpecialRow & special : kernel.specials) {
        uint32_t * row = warp.row<uint32_t>(special.offset);
        for (uint32_t lane = 0; lane < lanes; ++lane) {
            row[lane] = special_value(special.which, *warp.block, warp, lane);
        }
    }
}

void prepare_warp(Worker & worker, Warp & warp, uint32_t index, uint32_t threads_left,
                  const Layout & layout) {
    warp.registers = layout.first_row + layout.row_stride * index;
    warp.predicates = worker.predicate_storage.data() + layout.predicates * index;
    warp.local = worker.local_storage.data() + (layout.local + layout.call_params) * index;
    warp.call_params = warp.local + layout.local;
    warp.exists = threads_left >= lanes ? full_mask : (1u << threads_left) - 1;
    warp.active = warp.exists;
    warp.exited = 0;
    warp.pc = 0;
    warp.rpc = no_pc;
    warp.carry = 0;
    warp.state = WarpState::running;
    warp.index = index;
    warp.block = &worker.block;
    warp.worker = &worker;
    warp.stack.clear();
    warp.copies.clear();
    warp.copy_groups.fill(0);
    warp.reduce_inst = nullptr;
    fill_registers(warp);
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
    // A few bytes beyond the end keep an address computed there inside the buffer.
    worker.shared_storage.assign(block.shared_bytes + 64, 0);
    block.shared = worker.shared_storage.data();
    if (launch.check) {
        const size_t granules = block.shared_bytes / kernel.shared_granule + 16;
        block.tags.written.assign(granules, 0);
        block.tags.read.assign(granules, 0);
    }
    const auto threads = static_cast<uint32_t>(launch.block.product());
    const uint32_t warps = (threads + lanes - 1) / lanes;
    const Layout layout = Layout::of(worker, warps);
    block.warps.resize(warps);
    for (uint32_t w = 0; w < warps; ++w) {
        prepare_warp(worker, block.warps[w], w, threads - w * lanes, layout);
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

bool waits_at(const Warp & warp, uint32_t barrier) {
    return warp.state == WarpState::at_barrier && warp.barrier_id == barrier;
}

// Who is at a barrier.
struct Gathering {
    Warp * first = nullptr;
    uint32_t waiting = 0;  // threads, those that only arrived included
    uint32_t counted = 0;  // threads the barrier asks for; 0: all of the block
    uint32_t gone = 0;     // threads that have ended

    static Gathering at(Block & block, uint32_t barrier) {
        Gathering result;
        result.waiting = block.barriers[barrier].arrived;
        for (Warp & warp : block.warps) {
            if (warp.state == WarpState::done) result.gone += threads_of(warp);
            if (!waits_at(warp, barrier)) continue;
            result.waiting += threads_of(warp);
            if (result.first == nullptr) result.first = &warp;
            result.counted = warp.barrier_threads;
        }
        return result;
    }

    bool complete(const Block & block) const {
        if (first == nullptr) return false;
        if (counted != 0) return waiting >= counted;
        // Threads that have ended count as arrived where the barrier is the whole block's.
        return waiting + gone >= block.launch->block.product();
    }
};

// What the warps bring to a bar.red.
struct Votes {
    bool all = true, any = false;
    uint32_t sum = 0;

    static Votes at(const Block & block, uint32_t barrier) {
        Votes votes;
        for (const Warp & warp : block.warps) {
            if (!waits_at(warp, barrier) || warp.reduce_inst == nullptr) continue;
            const uint32_t here = warp.exists & ~warp.exited, yes = warp.reduce_in & here;
            votes.all = votes.all && yes == here;
            votes.any = votes.any || yes != 0;
            votes.sum += static_cast<uint32_t>(__builtin_popcount(yes));
        }
        return votes;
    }

    void give(Warp & warp) const {
        const Inst & inst = *warp.reduce_inst;
        if (inst.imm == reduce_popc) {
            uint32_t * row = warp.row<uint32_t>(inst.op[0]);
            for (const int lane : lanes_of(warp.active)) row[lane] = sum;
            return;
        }
        const bool value = inst.imm == reduce_and ? all : any;
        set_predicate(warp, inst.op[0], value ? full_mask : 0, warp.active);
    }
};

void release(Block & block, uint32_t barrier) {
    const Votes votes = Votes::at(block, barrier);
    for (Warp & warp : block.warps) {
        if (!waits_at(warp, barrier)) continue;
        if (warp.reduce_inst != nullptr) votes.give(warp);
        warp.reduce_inst = nullptr;
        warp.state = WarpState::running;
    }
    block.barriers[barrier].arrived = 0;
    ++block.epoch;
}

// Lets warps pass a barrier that is complete. Returns whether any moved.
bool release_barriers(Worker & worker) {
    Block & block = worker.block;
    bool moved = false;
    for (uint32_t id = 0; id < block.barriers.size(); ++id) {
        const Gathering gathering = Gathering::at(block, id);
        if (!gathering.complete(block)) continue;
        if (gathering.counted == 0 && gathering.gone != 0 && worker.launch->check) {
            const Warp & first = *gathering.first;
            worker.report(FindingKind::divergent_barrier, first,
                          worker.launch->kernel->code[first.barrier_pc], first_lane(first.exists),
                          0,
                          std::to_string(gathering.gone) +
                              " threads of the block had ended before this barrier");
        }
        release(block, id);
        moved = true;
    }
    return moved;
}

// Gives each running warp a turn. Returns whether any goes on after it.
bool run_warps(Worker & worker) {
    Block & block = worker.block;
    const uint64_t limit = worker.launch->instruction_limit;
    bool any_running = false;
    for (Warp & warp : block.warps) {
        const uint64_t left =
            limit == 0 ? time_slice : limit + 1 - std::min(limit, block.instructions);
        if (warp.state == WarpState::running) run_warp(worker, warp, std::min(time_slice, left));
        any_running = any_running || warp.state == WarpState::running;
    }
    if (limit != 0 && block.instructions > limit) {
        throw Stop("kernel " + worker.launch->kernel->name + ", block " +
                   std::to_string(block.linear) + ": more than " + std::to_string(limit) +
                   " warp instructions; it may never end");
    }
    return any_running;
}

// Reports a barrier that will never be complete, and lets its warps go on. Returns whether there
// was one.
bool break_deadlock(Worker & worker) {
    Block & block = worker.block;
    const auto stuck = std::find_if(block.warps.begin(), block.warps.end(), [](const Warp & warp) {
        return warp.state == WarpState::at_barrier;
    });
    if (stuck == block.warps.end()) return false;
    worker.report(FindingKind::deadlock, *stuck, worker.launch->kernel->code[stuck->barrier_pc],
                  first_lane(stuck->exists), 0,
                  "this barrier is never completed: other warps wait elsewhere or have ended");
    for (Warp & warp : block.warps) {
        if (warp.state != WarpState::at_barrier) continue;
        warp.state = WarpState::running;
        warp.reduce_inst = nullptr;
    }
    ++block.epoch;
    return true;
}

void run_block(Worker & worker, uint64_t linear) {
    prepare_block(worker, linear);
    while (run_warps(worker) || release_barriers(worker) || break_deadlock(worker)) {
    }
}

void check_launch(const Launch & launch) {
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
}

void prepare_worker(Worker & worker, const Launch & launch) {
    worker.launch = &launch;
    worker.counts = {};
    worker.executed.assign(launch.kernel->code.size(), 0);
    worker.allocation_of.assign(launch.kernel->code.size(), nullptr);
    worker.block_stamps.resize(launch.memory->index_limit());
    worker.findings.clear();
    worker.printed.clear();
}

// Hands blocks out to workers, one after the other; where several fail, the first block's failure
// is told.
class Blocks {
public:
    explicit Blocks(uint64_t count) : count_(count) {}

    void run_with(Worker & worker) {
        for (uint64_t block = next_.fetch_add(1); block < count_; block = next_.fetch_add(1)) {
            try {
                run_block(worker, block);
            } catch (...) {
                note_failure(block);
            }
        }
    }

    void rethrow_failure() const {
        if (failure_) std::rethrow_exception(failure_);
    }

private:
    void note_failure(uint64_t block) {
        const std::lock_guard<std::mutex> guard(lock_);
        next_.store(count_);
        if (block >= failed_block_) return;
        failed_block_ = block;
        failure_ = std::current_exception();
    }

    const uint64_t count_;
    std::atomic<uint64_t> next_{0};
    std::mutex lock_;
    uint64_t failed_block_ = ~uint64_t(0);
    std::exception_ptr failure_;
};

using Findings = std::map<std::pair<int, uint32_t>, Finding>;

void merge(Findings & into, const Findings & from) {
    for (const auto & entry : from) {
        const auto [found, fresh] = into.try_emplace(entry.first, entry.second);
        if (fresh) continue;
        Finding & merged = found->second;
        const uint64_t total = merged.count + entry.second.count;
        if (entry.second.block < merged.block) merged = entry.second;
        merged.count = total;
    }
}

std::vector<Finding> sorted_by_place(const Findings & findings) {
    std::vector<Finding> sorted;
    for (const auto & entry : findings) sorted.push_back(entry.second);
    std::sort(sorted.begin(), sorted.end(), [](const Finding & a, const Finding & b) {
        return std::tie(a.pc, a.kind) < std::tie(b.pc, b.kind);
    });
    return sorted;
}

LaunchResult gathered(const Kernel & kernel, const std::vector<Worker *> & workers) {
    LaunchResult result;
    result.executed.assign(kernel.code.size(), 0);
    Findings findings;
    for (const Worker * worker : workers) {
        result.counts.add(worker->counts);
        for (size_t pc = 0; pc < result.executed.size(); ++pc) {
            result.executed[pc] += worker->executed[pc];
        }
        result.printed += worker->printed;
        merge(findings, worker->findings);
    }
    result.findings = sorted_by_place(findings);
    for (size_t pc = 0; pc < result.executed.size(); ++pc) {
        result.counts.by_class[static_cast<size_t>(kernel.code[pc].cls)] += result.executed[pc];
        result.counts.warp_instructions += result.executed[pc];
    }
    return result;
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
    check_launch(launch);
    const Kernel & kernel = *launch.kernel;
    const uint64_t blocks = launch.grid.product();
    // Atomics whose result depends on the order of blocks run in the order of blocks.
    const int wanted = kernel.ordered_atomics ? 1 : std::max(1, launch.threads);
    std::vector<Worker *> workers;
    while (workers.size() < std::min(static_cast<uint64_t>(wanted), blocks)) {
        if (workers_.size() == workers.size()) workers_.push_back(std::make_unique<Worker>());
        workers.push_back(workers_[workers.size()].get());
        prepare_worker(*workers.back(), launch);
    }
    Blocks to_run(blocks);
    std::vector<std::thread> helpers;
    for (size_t i = 1; i < workers.size(); ++i) {
        helpers.emplace_back([&, i] { to_run.run_with(*workers[i]); });
    }
    to_run.run_with(*workers[0]);
    for (std::thread & helper : helpers) helper.join();
    to_run.rethrow_failure();

    LaunchResult result = gathered(kernel, workers);
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return result;
}

}  // namespace llamaproof::emulator
