// atom and red (PTX ISA, "Parallel Synchronization: atom, red"). Lanes take their turn in the order
// of their numbers.

#include <algorithm>

#include "access.h"
#include "decode.h"
#include "half_rows.h"
#include "reals.h"
#include "rows.h"

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

// op: base row, its bytes, destination row, b row, c row, operation, type, space (0 global, 1
// shared, 2 generic); imm offset.
void atomic(Warp & warp, const Inst & inst, uint32_t mask) {
    const auto op = static_cast<Op>(inst.op[5]);
    const auto type = static_cast<Type>(inst.op[6]);
    const auto bytes = static_cast<uint32_t>(ptx::size_of(type));
    Lanes64 address;
    for (int i = 0; i < lanes; ++i) {
        address.at[i] = inst.op[1] == 8 ? warp.row<uint64_t>(inst.op[0])[i] + inst.imm
                        : inst.op[1] == 4
                            ? static_cast<uint32_t>(warp.row<uint32_t>(inst.op[0])[i] +
                                                    static_cast<uint32_t>(inst.imm))
                            : inst.imm;
    }
    uint32_t shared = inst.op[7] == 1 ? mask : 0, global = inst.op[7] == 0 ? mask : 0;
    if (inst.op[7] == 2) {
        for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
            const int lane = __builtin_ctz(rest);
            if (address.at[lane] - shared_window < window_size) {
                shared |= 1u << lane;
                address.at[lane] -= shared_window;
            } else if (address.at[lane] - local_window < window_size) {
                stop_at(warp, inst, "an atomic on local memory");
            } else {
                global |= 1u << lane;
            }
        }
    }
    HostLanes host;
    uint32_t good = 0;
    if (global) {
        good = access_global(warp, inst, global, address, bytes, false, host);
        HostLanes same;
        good &= access_global(warp, inst, good, address, bytes, true, same);
    }
    if (shared) {
        // Atomics do not race with each other: the tables of races are left alone.
        const uint32_t size = warp.block->shared_bytes;
        for (uint32_t rest = shared; rest != 0; rest &= rest - 1) {
            const int lane = __builtin_ctz(rest);
            if (address.at[lane] > size || size - address.at[lane] < bytes) {
                warp.worker->report(FindingKind::out_of_bounds, warp, inst, lane, address.at[lane],
                                    "an atomic beyond shared memory");
            } else if (address.at[lane] & (bytes - 1)) {
                warp.worker->report(FindingKind::misaligned, warp, inst, lane, address.at[lane],
                                    "an atomic on shared memory");
            } else {
                host.at[lane] = warp.block->shared + address.at[lane];
                good |= 1u << lane;
            }
        }
    }
    const uint8_t * b = warp.row<uint8_t>(inst.op[3]);
    const uint8_t * c = warp.row<uint8_t>(inst.op[4]);
    uint8_t * d = warp.row<uint8_t>(inst.op[2]);
    for (uint32_t rest = good; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<size_t>(__builtin_ctz(rest));
        uint64_t x = 0, y = 0, old = 0;
        std::memcpy(&x, b + lane * bytes, bytes);
        std::memcpy(&y, c + lane * bytes, bytes);
        const auto exchange = [&](auto * word) {
            using Word = std::remove_reference_t<decltype(*word)>;
            Word seen = __atomic_load_n(word, __ATOMIC_RELAXED);
            Word next;
            do {
                next = static_cast<Word>(result_of(op, type, seen, x, y));
            } while (!__atomic_compare_exchange_n(word, &seen, next, false, __ATOMIC_SEQ_CST,
                                                  __ATOMIC_RELAXED));
            old = seen;
        };
        if (bytes == 2) {
            exchange(reinterpret_cast<uint16_t *>(host.at[lane]));
        } else if (bytes == 4) {
            exchange(reinterpret_cast<uint32_t *>(host.at[lane]));
        } else {
            exchange(reinterpret_cast<uint64_t *>(host.at[lane]));
        }
        std::memcpy(d + lane * bytes, &old, bytes);
    }
    if (global) mark_global(warp, inst, good & global, address, bytes);
    warp.worker->counts.atomics += static_cast<uint64_t>(__builtin_popcount(good));
}

}  // namespace

bool decode_atomic(Decoding & d) {
    const bool reduces = d.root() == "red";
    if (!reduces && d.root() != "atom") return false;
    for (const char * word : {"relaxed", "acquire", "release", "acq_rel", "cta", "gpu", "sys",
                              "cluster", "noftz", "L2::cache_hint"}) {
        d.take(word);
    }
    uint32_t place = 2;
    Space space = Space::generic;
    if (d.take("global")) {
        place = 0;
        space = Space::global;
    } else if (d.take("shared") || d.take("shared::cta")) {
        place = 1;
        space = Space::shared;
    }
    static constexpr struct {
        std::string_view name;
        Op op;
    } names[] = {{"add", Op::add}, {"min", Op::min},  {"max", Op::max},   {"and", Op::band},
                 {"or", Op::bor},  {"xor", Op::bxor}, {"exch", Op::exch}, {"cas", Op::cas},
                 {"inc", Op::inc}, {"dec", Op::dec}};
    std::optional<Op> op;
    for (const auto & entry : names) {
        if (d.take(entry.name)) op = entry.op;
    }
    if (!op) d.fail("it names no operation");
    const Type type = d.take_type();
    const bool real = ptx::is_float(type);
    const int bytes = ptx::size_of(type);
    if (real && *op != Op::add) d.fail("reals are carried out for add alone");
    if (bytes == 1 || bytes > 8 || (bytes == 2 && !real && *op != Op::cas)) {
        d.fail("not a type of an atomic");
    }
    if ((*op == Op::inc || *op == Op::dec) && type != Type::u32) d.fail("it is for u32");
    const size_t first = reduces ? 0 : 1, sources = *op == Op::cas ? 2 : 1;
    d.expect_count(first + 1 + sources);
    const AddressRef ref = d.address(d.arg(first), space);
    if (ref.symbol_space && place == 2) d.fail("a generic atomic on a named variable");
    const bool discards = reduces || d.arg(0).kind == ptx::OperandKind::sink;
    const uint32_t b = d.row(first + 1, bytes);
    d.push({ref.base.offset, ref.has_base ? static_cast<uint32_t>(ref.base.bytes) : 0,
            discards ? d.scratch(bytes) : d.destination(0, bytes), b,
            sources == 2 ? d.row(first + 2, bytes) : b, static_cast<uint32_t>(*op),
            static_cast<uint32_t>(type), place});
    d.imm(static_cast<uint64_t>(ref.offset));
    const bool commutes = !real && (*op == Op::add || *op == Op::min || *op == Op::max ||
                                    *op == Op::band || *op == Op::bor || *op == Op::bxor);
    if (place != 1 && !(commutes && discards)) d.kernel().ordered_atomics = true;
    d.emit(atomic, InstClass::atomic);
    return true;
}

}  // namespace llamaproof::emulator
