// The machine that carries out decoded instructions: warps, blocks, workers, memory.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "counts.h"

namespace llamaproof::emulator {

constexpr int lanes = 32;
constexpr uint32_t full_mask = 0xffffffffu;
constexpr uint32_t no_pc = 0xffffffffu;

struct Warp;
struct Block;
struct Worker;
struct Inst;
struct Kernel;

using Handler = void (*)(Warp & warp, const Inst & inst, uint32_t mask);

// The special registers that do not change while a block runs.
enum class SpecialRegister : uint8_t {
    tid_x,
    tid_y,
    tid_z,
    ntid_x,
    ntid_y,
    ntid_z,
    ctaid_x,
    ctaid_y,
    ctaid_z,
    nctaid_x,
    nctaid_y,
    nctaid_z,
    laneid,
    warpid,
    nwarpid,
    lanemask_eq,
    lanemask_lt,
    lanemask_le,
    lanemask_gt,
    lanemask_ge,
    dynamic_smem_size,
    total_smem_size,
    zero,
    one
};

// One decoded instruction. Operands are byte offsets of rows in the warp's register file (a row
// holds the 32 lanes of one register), indices of predicates, or plain numbers, as the handler has
// it.
struct Inst {
    Handler run = nullptr;
    const uint32_t * op = nullptr;
    uint64_t imm = 0;
    uint32_t pc = 0;
    int32_t line = 0;
    int32_t guard = -1;
    uint32_t guard_flip = 0;
    InstClass cls = InstClass::other;
};

// Windows of the generic address space. No host address of x86-64 Linux lies in them.
constexpr uint64_t shared_window = 0x7e00000000000000u;
constexpr uint64_t local_window = 0x7d00000000000000u;
constexpr uint64_t param_window = 0x7c00000000000000u;
constexpr uint64_t window_size = uint64_t(1) << 32;

enum class FindingKind : int32_t {
    none,
#define LLAMAPROOF_FINDING(name) name,
#include "llamaproof/findings.def"
};

struct Finding {
    FindingKind kind = FindingKind::none;
    uint32_t pc = 0;
    int32_t line = 0;
    uint64_t block = 0;   // linear
    uint32_t thread = 0;  // linear
    uint64_t address = 0;
    uint64_t count = 0;  // occurrences of this kind at this instruction
    std::string detail;
};

// A file of zeroed pages that cost nothing until touched.
class LazyPages {
public:
    LazyPages() = default;
    explicit LazyPages(size_t bytes);
    ~LazyPages();
    LazyPages(LazyPages && other) noexcept;
    LazyPages & operator=(LazyPages && other) noexcept;
    LazyPages(const LazyPages &) = delete;
    LazyPages & operator=(const LazyPages &) = delete;
    uint8_t * data() const { return data_; }

private:
    uint8_t * data_ = nullptr;
    size_t bytes_ = 0;
};

// A piece of device memory: the addresses [base, base + size) and the bytes behind them.
struct Allocation {
    uint64_t base = 0;
    uint64_t size = 0;
    uint8_t * host = nullptr;
    bool all_written = false;  // every byte counts as written
    LazyPages written;         // one bit a byte
    LazyPages read_stamps;     // a launch's serial for each sector
    LazyPages write_stamps;
    uint32_t index = 0;          // position in per-worker tables
    std::vector<uint8_t> owned;  // module variables live here

    uint8_t * at(uint64_t address) const { return host + (address - base); }
    bool holds(uint64_t address, uint64_t bytes) const {
        return address - base < size && size - (address - base) >= bytes;
    }
    uint64_t sector_of(uint64_t address) const { return (address >> 5) - (base >> 5); }
    uint64_t sectors() const { return ((base + size + 31) >> 5) - (base >> 5); }
    void mark_written(uint64_t address, uint64_t bytes);
    void mark_unwritten(uint64_t address, uint64_t bytes);
    bool is_written(uint64_t address, uint64_t bytes) const;
    // Offset in the range; `bytes` where there is none.
    uint64_t first_unwritten(uint64_t address, uint64_t bytes) const;
};

// All device memory. Changed between launches, never during one.
class Memory {
public:
    Allocation & add(uint64_t base, uint64_t size, uint8_t * host, bool written);
    void remove(uint64_t base);
    Allocation * find(uint64_t address) const;
    Allocation * before(uint64_t address) const;  // the nearest that ends at or before the address
    void mark(uint64_t address, uint64_t bytes, bool written);
    void copy_marks(uint64_t to, uint64_t from, uint64_t bytes);  // defined where the source is
    size_t index_limit() const { return next_index_; }

private:
    std::map<uint64_t, std::unique_ptr<Allocation>> by_base_;
    uint32_t next_index_ = 0;
    std::vector<uint32_t> free_indices_;
};

// A kernel ready to run.
struct Kernel {
    std::string name;
    std::vector<Inst> code;
    std::vector<std::string> text;  // opcode of each instruction
    std::vector<uint32_t> operands;
    std::vector<uint32_t> reconverge;  // for each branch, where its lanes meet again
    std::vector<uint8_t> constants;    // rows that follow the registers
    struct SpecialRow {
        uint32_t offset;
        SpecialRegister which;
    };
    std::vector<SpecialRow> specials;
    std::vector<std::vector<uint32_t>> jump_tables;
    std::vector<std::string> strings;
    uint32_t register_bytes = 0;  // without constants
    uint32_t predicates = 0;
    uint32_t local_bytes = 0;
    uint32_t call_param_bytes = 0;
    uint32_t static_shared = 0;
    uint32_t dynamic_shared_at = 0;
    uint32_t shared_granule = 4;  // bytes told apart by the race check
    int max_threads = 0;
    bool ordered_atomics = false;  // the result depends on the order of blocks
    struct Param {
        uint32_t offset, size, alignment;
    };
    std::vector<Param> params;
    uint32_t param_bytes = 0;
};

struct Dim3 {
    uint32_t x = 1, y = 1, z = 1;
    uint64_t product() const { return uint64_t(x) * y * z; }
    // The position that comes `linear`-th where x runs fastest.
    Dim3 at(uint64_t linear) const {
        return {static_cast<uint32_t>(linear % x), static_cast<uint32_t>(linear / x % y),
                static_cast<uint32_t>(linear / x / y)};
    }
};

struct Launch {
    const Kernel * kernel = nullptr;
    Memory * memory = nullptr;
    Dim3 grid, block;
    uint32_t dynamic_shared = 0;
    std::vector<uint8_t> params;
    int threads = 1;
    uint64_t instruction_limit = 0;  // warp instructions of one block; 0 is none
    bool check = true;
    uint32_t serial = 0;  // set by the machine
};

struct LaunchResult {
    Counts counts;
    std::vector<Finding> findings;
    std::vector<uint64_t> executed;  // by instruction
    std::string printed;
    double seconds = 0;
};

// Keeps its workers' tables from launch to launch.
class Machine {
public:
    Machine();
    ~Machine();
    LaunchResult run(const Launch & launch);

private:
    std::vector<std::unique_ptr<Worker>> workers_;
    uint32_t serial_ = 0;
};

enum class WarpState : uint8_t { running, at_barrier, done };

struct StackEntry {
    uint32_t pc, mask, rpc;
};

struct AsyncCopy {
    uint32_t mask;
    uint32_t group;
    uint32_t bytes;
    std::array<uint32_t, lanes> to;
    std::array<std::array<uint8_t, 16>, lanes> data;
};

struct Warp {
    uint8_t * registers = nullptr;
    uint32_t * predicates = nullptr;
    uint32_t active = 0;
    uint32_t exited = 0;
    uint32_t exists = 0;
    uint32_t pc = 0;
    uint32_t rpc = no_pc;
    uint32_t carry = 0;  // one bit a lane
    WarpState state = WarpState::running;
    uint32_t index = 0;
    uint32_t barrier_id = 0;
    uint32_t barrier_threads = 0;
    uint32_t barrier_pc = 0;
    Block * block = nullptr;
    Worker * worker = nullptr;
    uint8_t * local = nullptr;        // [lane][local_bytes]
    uint8_t * call_params = nullptr;  // [lane][call_param_bytes]
    std::vector<StackEntry> stack;
    std::vector<AsyncCopy> copies;
    std::array<uint32_t, lanes> copy_groups{};
    // bar.red: what the warp brings, what it gets.
    uint32_t reduce_in = 0;
    const Inst * reduce_inst = nullptr;

    template <class T> T * row(uint32_t offset) {
        return reinterpret_cast<T *>(registers + offset);
    }
};

// What is known of each granule of shared memory: who wrote and read it since which barrier. A tag
// is epoch << 8 | warp + 1; several readers give 0xff for the warp; an asynchronous copy on its way
// has all epoch bits set.
constexpr uint32_t pending_epoch = 0xffffffu;
struct SharedTags {
    std::vector<uint32_t> written, read;
};

// imm of bar.red.
constexpr uint64_t reduce_and = 0, reduce_or = 1, reduce_popc = 2;

struct Barrier {
    uint32_t arrived = 0;  // threads that arrived without waiting
};

struct Block {
    const Launch * launch = nullptr;
    uint64_t linear = 0;
    Dim3 id;
    uint8_t * shared = nullptr;
    uint32_t shared_bytes = 0;
    uint32_t epoch = 1;
    SharedTags tags;
    std::array<Barrier, 16> barriers;
    std::vector<Warp> warps;
    uint64_t instructions = 0;
};

// One host thread's state.
struct Worker {
    const Launch * launch = nullptr;
    Block block;
    Counts counts;
    std::vector<uint64_t> executed;
    std::vector<Allocation *> allocation_of;  // last allocation each instruction touched
    struct Stamps {
        LazyPages read, write;
        uint64_t sectors = 0;
    };
    std::vector<Stamps> block_stamps;  // by allocation index
    uint32_t block_stamp = 0;
    std::map<std::pair<int, uint32_t>, Finding> findings;
    std::string printed;
    std::vector<uint8_t> register_storage, shared_storage, local_storage;
    std::vector<uint32_t> predicate_storage;

    // `detail` is a text or a function that makes one, called only for the occurrence that is told:
    // a kernel may do wrong millions of times.
    template <class Detail>
    void report(FindingKind kind, const Warp & warp, const Inst & inst, int lane, uint64_t address,
                const Detail & detail) {
        Finding * finding = count_finding(kind, warp, inst, lane, address);
        if (finding == nullptr) return;
        if constexpr (std::is_invocable_v<Detail>) {
            finding->detail = detail();
        } else {
            finding->detail = detail;
        }
    }

private:
    Finding * count_finding(FindingKind kind, const Warp & warp, const Inst & inst, int lane,
                            uint64_t address);
};

// Lands the asynchronous copies of `mask` except those of the newest `keep_groups` groups.
void finish_copies(Warp & warp, const Inst & inst, uint32_t mask, uint32_t keep_groups, bool all);

// Reports lanes that a .sync mask names and that do not take part; `members` is the mask's row.
void check_members(Warp & warp, const Inst & inst, uint32_t mask, const uint32_t * members);

inline int first_lane(uint32_t mask) { return __builtin_ctz(mask); }

// The lanes of a mask, for a range-based loop.
class LanesOf {
public:
    class Iterator {
    public:
        explicit Iterator(uint32_t rest) : rest_(rest) {}
        int operator*() const { return __builtin_ctz(rest_); }
        void operator++() { rest_ &= rest_ - 1; }
        bool operator!=(const Iterator & other) const { return rest_ != other.rest_; }

    private:
        uint32_t rest_;
    };
    explicit LanesOf(uint32_t mask) : mask_(mask) {}
    Iterator begin() const { return Iterator(mask_); }
    Iterator end() const { return Iterator(0); }

private:
    uint32_t mask_;
};

inline LanesOf lanes_of(uint32_t mask) { return LanesOf(mask); }

// Stops the launch: what was asked for cannot be carried out.
class Stop : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

[[noreturn]] void stop_at(const Warp & warp, const Inst & inst, const std::string & what);

}  // namespace llamaproof::emulator
