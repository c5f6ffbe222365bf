// atom and red (PTX ISA, "Parallel Synchronization: atom, red"). Lanes take their turn in the order
// of their numbers.

#include <algorithm>

#include "access.h"
#include "decode.h"
#include "half_rows.h"
#include "reals.h"
#include "rows.h"
#include "state_space.h"

namespace llamaproof::emulator {

using ptx::Operand;
using ptx::Space;
using ptx::Type;

namespace {

enum class Op { add, min, max, band, bor, bxor, exch, cas, inc, dec };

template <class T> T integer_result(Op op, T old, T b, T c) {
    switch (op) {
        case Op::add: return static_cast<T>(static_cast<uint64_t>(old) + static_cast<uint64_t>(b));
        case Op::min: return std::min(old, b);
        case Op::max: return std::max(old, b);
        case Op::band: return old & b;
        case Op::bor: return old | b;
        case Op::bxor: return old ^ b;
        case Op::exch: return b;
        case Op::cas: return old == b ? c : old;
        case Op::inc: return old >= b ? T(0) : static_cast<T>(old + 1);
        case Op::dec: return old == 0 || old > b ? b : static_cast<T>(old - 1);
    }
    return old;
}

uint64_t result_of(Op op, Type type, uint64_t old, uint64_t b, uint64_t c) {
    const auto halves = [&](auto widen, auto narrow) {
        uint64_t packed = 0;
        for (int i = 0; i < ptx::size_of(type) / 2; ++i) {
            const float x = widen(static_cast<uint16_t>(old >> (16 * i))),
                        y = widen(static_cast<uint16_t>(b >> (16 * i)));
            packed |= static_cast<uint64_t>(narrow(x + y)) << (16 * i);
        }
        return packed;
    };
    switch (type) {
        case Type::s32:
            return static_cast<uint32_t>(integer_result<int32_t>(
                op, static_cast<int32_t>(old), static_cast<int32_t>(b), static_cast<int32_t>(c)));
        case Type::s64:
            return static_cast<uint64_t>(integer_result<int64_t>(
                op, static_cast<int64_t>(old), static_cast<int64_t>(b), static_cast<int64_t>(c)));
        case Type::u32:
        case Type::b32:
            return integer_result<uint32_t>(op, static_cast<uint32_t>(old),
                                            static_cast<uint32_t>(b), static_cast<uint32_t>(c));
        case Type::u64:
        case Type::b64: return integer_result<uint64_t>(op, old, b, c);
        case Type::b16:
            return integer_result<uint16_t>(op, static_cast<uint16_t>(old),
                                            static_cast<uint16_t>(b), static_cast<uint16_t>(c));
        case Type::f32:
            return bits_of(canonical(float_of(static_cast<uint32_t>(old)) +
                                     float_of(static_cast<uint32_t>(b))));
        case Type::f64: return bits_of(canonical(double_of(old) + double_of(b)));
        case Type::f16:
        case Type::f16x2: return halves(half_to_float, float_to_half);
        default: return halves(bfloat_to_float, float_to_bfloat);
    }
}

enum : size_t { base_row, base_bytes, target_row, b_row, c_row, operation, type_at, where_at };

struct Split {
    uint32_t shared = 0, global = 0;
};

// Which lanes go where; addresses in shared memory become offsets.
Split split(Warp & warp, const Inst & inst, uint32_t mask, Lanes64 & address) {
    const auto where = static_cast<Where>(inst.op[where_at]);
    if (where == Where::shared) return {mask, 0};
    if (where == Where::global) return {0, mask};
    Split result;
    for (const int lane : lanes_of(mask)) {
        if (address.at[lane] - local_window < window_size) {
            stop_at(warp, inst, "an atomic on local memory");
        }
        const bool shared = address.at[lane] - shared_window < window_size;
        if (shared) address.at[lane] -= shared_window;
        (shared ? result.shared : result.global) |= 1u << lane;
    }
    return result;
}

// Atomics do not race with each other: the tables of races are left alone.
uint32_t shared_lanes(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address,
                      uint32_t bytes, HostLanes & host) {
    const uint32_t size = warp.block->shared_bytes;
    uint32_t good = 0;
    for (const int lane : lanes_of(mask)) {
        const uint64_t at = address.at[lane];
        if (at > size || size - at < bytes) {
            warp.worker->report(FindingKind::out_of_bounds, warp, inst, lane, at,
                                "an atomic beyond shared memory");
        } else if (at & (bytes - 1)) {
            warp.worker->report(FindingKind::misaligned, warp, inst, lane, at,
                                "an atomic on shared memory");
        } else {
            host.at[lane] = warp.block->shared + at;
            good |= 1u << lane;
        }
    }
    return good;
}

// Puts what `next` makes of a word in its place, and returns what was there.
template <class Word, class Next> uint64_t exchange(uint8_t * at, const Next & next) {
    auto * const word = reinterpret_cast<Word *>(at);
    Word seen = __atomic_load_n(word, __ATOMIC_RELAXED);
    Word wanted;
    do {
        wanted = static_cast<Word>(next(seen));
    } while (!__atomic_compare_exchange_n(word, &seen, wanted, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    return seen;
}

template <class Next> uint64_t exchange(uint32_t bytes, uint8_t * at, const Next & next) {
    switch (bytes) {
        case 2: return exchange<uint16_t>(at, next);
        case 4: return exchange<uint32_t>(at, next);
        default: return exchange<uint64_t>(at, next);
    }
}

uint64_t value_at(const uint8_t * row, size_t lane, uint32_t bytes) {
    uint64_t value = 0;
    std::memcpy(&value, row + lane * bytes, bytes);
    return value;
}

// op as above; imm: the address's offset.
void atomic(Warp & warp, const Inst & inst, uint32_t mask) {
    const auto op = static_cast<Op>(inst.op[operation]);
    const auto type = static_cast<Type>(inst.op[type_at]);
    const auto bytes = static_cast<uint32_t>(ptx::size_of(type));
    Lanes64 address;
    add_offset(warp, inst.op[base_row], inst.op[base_bytes], inst.imm, address);
    const Split where = split(warp, inst, mask, address);
    HostLanes host;
    uint32_t good = 0;
    if (where.global) {
        good = access_global(warp, inst, where.global, address, bytes, false, host);
        HostLanes same;
        good &= access_global(warp, inst, good, address, bytes, true, same);
    }
    if (where.shared) good |= shared_lanes(warp, inst, where.shared, address, bytes, host);
    const uint8_t * b = warp.row<uint8_t>(inst.op[b_row]);
    const uint8_t * c = warp.row<uint8_t>(inst.op[c_row]);
    uint8_t * d = warp.row<uint8_t>(inst.op[target_row]);
    for (const int i : lanes_of(good)) {
        const auto lane = static_cast<size_t>(i);
        const uint64_t x = value_at(b, lane, bytes), y = value_at(c, lane, bytes);
        const uint64_t old = exchange(
            bytes, host.at[lane], [&](uint64_t seen) { return result_of(op, type, seen, x, y); });
        std::memcpy(d + lane * bytes, &old, bytes);
    }
    if (where.global) mark_global(warp, inst, good & where.global, address, bytes);
    warp.worker->counts.atomics += static_cast<uint64_t>(__builtin_popcount(good));
}

Op take_operation(Decoding & d) {
    static constexpr struct {
        std::string_view name;
        Op op;
    } names[] = {{"add", Op::add}, {"min", Op::min},  {"max", Op::max},   {"and", Op::band},
                 {"or", Op::bor},  {"xor", Op::bxor}, {"exch", Op::exch}, {"cas", Op::cas},
                 {"inc", Op::inc}, {"dec", Op::dec}};
    for (const auto & entry : names) {
        if (d.take(entry.name)) return entry.op;
    }
    d.fail("it names no operation");
}

// Whether the result of several does not depend on their order.
bool commutes(Op op, Type type) {
    if (ptx::is_float(type)) return false;
    switch (op) {
        case Op::add:
        case Op::min:
        case Op::max:
        case Op::band:
        case Op::bor:
        case Op::bxor: return true;
        default: return false;
    }
}

Type take_type(Decoding & d, Op op) {
    const Type type = d.take_type();
    const bool real = ptx::is_float(type);
    const int bytes = ptx::size_of(type);
    if (real && op != Op::add) d.fail("reals are carried out for add alone");
    if (bytes == 1 || bytes > 8 || (bytes == 2 && !real && op != Op::cas)) {
        d.fail("not a type of an atomic");
    }
    if ((op == Op::inc || op == Op::dec) && type != Type::u32) d.fail("it is for u32");
    return type;
}

// `first`: the operand that holds the address; a destination stands before it in atom, not in red.
void emit_atomic(Decoding & d, size_t first) {
    for (const char * word : {"relaxed", "acquire", "release", "acq_rel", "cta", "gpu", "sys",
                              "cluster", "noftz", "L2::cache_hint"}) {
        d.take(word);
    }
    const Where where = take_where(d);
    const Op op = take_operation(d);
    const Type type = take_type(d, op);
    const int bytes = ptx::size_of(type);
    const bool two = op == Op::cas;
    d.expect_count(first + (two ? 3 : 2));
    const AddressRef ref = d.address(d.arg(first), space_of(where));
    if (ref.symbol_space && where == Where::generic) d.fail("a generic atomic on a named variable");
    const bool discards = first == 0 || d.arg(0).kind == ptx::OperandKind::sink;
    const uint32_t b = d.row(first + 1, bytes), c = two ? d.row(first + 2, bytes) : b;
    d.push({ref.base.offset, ref.has_base ? static_cast<uint32_t>(ref.base.bytes) : 0,
            discards ? d.scratch(bytes) : d.destination(0, bytes), b, c, static_cast<uint32_t>(op),
            static_cast<uint32_t>(type), static_cast<uint32_t>(where)});
    d.imm(static_cast<uint64_t>(ref.offset));
    if (where != Where::shared && !(commutes(op, type) && discards)) {
        d.kernel().ordered_atomics = true;
    }
    d.emit(atomic, InstClass::atomic);
}

}  // namespace

void decode_atom(Decoding & d) { emit_atomic(d, 1); }
void decode_red(Decoding & d) { emit_atomic(d, 0); }

}  // namespace llamaproof::emulator
