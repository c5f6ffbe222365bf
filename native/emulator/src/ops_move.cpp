// mov, packing and unpacking, and addresses between state spaces (cvta, isspacep).

#include "decode.h"
#include "rows.h"

namespace llamaproof::emulator {

using ptx::Operand;
using ptx::OperandKind;
using ptx::Space;
using ptx::Type;

namespace {

template <class T> void copy(Warp & warp, const Inst & inst, uint32_t mask) {
    blend(warp.row<T>(inst.op[0]), warp.row<T>(inst.op[1]), mask);
}

void copy_predicate(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint32_t value =
        inst.imm ? static_cast<uint32_t>(inst.imm >> 1) : warp.predicates[inst.op[1]] ^ inst.op[2];
    set_predicate(warp, inst.op[0], value, mask);
}

// op: whole, parts...; imm: number of parts.
template <class Whole, class Part> void pack(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) Part result[lanes * sizeof(Whole) / sizeof(Part)];
    constexpr size_t n = sizeof(Whole) / sizeof(Part);
    for (size_t k = 0; k < n; ++k) {
        const Part * part = warp.row<Part>(inst.op[1 + k]);
        for (size_t i = 0; i < lanes; ++i) result[i * n + k] = part[i];
    }
    blend(warp.row<Whole>(inst.op[0]), reinterpret_cast<const Whole *>(result), mask);
}

template <class Whole, class Part> void unpack(Warp & warp, const Inst & inst, uint32_t mask) {
    constexpr size_t n = sizeof(Whole) / sizeof(Part);
    alignas(64) Part result[n][lanes];
    const Part * whole = warp.row<Part>(inst.op[0]);
    for (size_t k = 0; k < n; ++k) {
        for (size_t i = 0; i < lanes; ++i) result[k][i] = whole[i * n + k];
    }
    for (size_t k = 0; k < n; ++k) blend(warp.row<Part>(inst.op[1 + k]), result[k], mask);
}

// %clock and %globaltimer count instructions of the block, so that a run can be repeated exactly.
template <class T> void clock(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) T result[lanes];
    for (T & value : result) value = static_cast<T>(warp.block->instructions);
    blend(warp.row<T>(inst.op[0]), result, mask);
}

void lane_mask(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) uint32_t result[lanes];
    for (uint32_t & value : result) value = warp.active;
    blend(warp.row<uint32_t>(inst.op[0]), result, mask);
}

template <class T> void add_window(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) T result[lanes];
    const T * a = warp.row<T>(inst.op[1]);
    for (int i = 0; i < lanes; ++i) result[i] = static_cast<T>(a[i] + inst.imm);
    blend(warp.row<T>(inst.op[0]), result, mask);
}

void in_window(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint64_t * a = warp.row<uint64_t>(inst.op[1]);
    uint32_t bits = 0;
    for (int i = 0; i < lanes; ++i) {
        const bool shared = a[i] - shared_window < window_size,
                   local = a[i] - local_window < window_size,
                   param = a[i] - param_window < window_size;
        const bool holds = inst.imm == 0   ? !(shared || local || param)
                           : inst.imm == 1 ? shared
                           : inst.imm == 2 ? local
                                           : param;
        bits |= static_cast<uint32_t>(holds) << i;
    }
    set_predicate(warp, inst.op[0], bits, mask);
}

bool decode_vector_move(Decoding & d, int bytes, bool unpacks) {
    const Operand & vector = d.arg(unpacks ? 0 : 1);
    const auto parts = static_cast<int>(vector.items.size());
    if (parts != 2 && parts != 4) d.fail("its vector has " + std::to_string(parts) + " elements");
    const int part = bytes / parts;
    if (part < 1 || part * parts != bytes) d.fail("its vector does not fill its type");
    d.push(unpacks ? d.row(1, bytes) : d.destination(0, bytes));
    for (const Operand & item : vector.items) {
        d.push(unpacks ? d.destination(item, part) : d.row(item, part));
    }
    Handler handler = nullptr;
    if (bytes == 4 && part == 2) {
        handler = unpacks ? unpack<uint32_t, uint16_t> : pack<uint32_t, uint16_t>;
    }
    if (bytes == 8 && part == 4) {
        handler = unpacks ? unpack<uint64_t, uint32_t> : pack<uint64_t, uint32_t>;
    }
    if (bytes == 8 && part == 2) {
        handler = unpacks ? unpack<uint64_t, uint16_t> : pack<uint64_t, uint16_t>;
    }
    d.emit(handler, InstClass::move);
    return true;
}

bool decode_mov(Decoding & d) {
    d.expect_count(2);
    const Type type = d.take_type();
    if (type == Type::pred) {
        d.push(d.predicate(d.arg(0)));
        if (const auto value = d.constant(d.arg(1))) {
            d.imm(1 | (*value != 0 ? uint64_t(full_mask) << 1 : 0));
        } else {
            d.push_predicate(d.arg(1));
        }
        d.emit(copy_predicate, InstClass::predicate);
        return true;
    }
    const int bytes = ptx::size_of(type);
    if (d.arg(0).kind == OperandKind::vector) return decode_vector_move(d, bytes, true);
    if (d.arg(1).kind == OperandKind::vector) return decode_vector_move(d, bytes, false);
    if (d.arg(1).kind == OperandKind::special) {
        const std::string & name = d.arg(1).name;
        if (name == "%clock64" || name == "%globaltimer") {
            d.push(d.destination(0, 8));
            d.emit(bytes == 8 ? Handler(clock<uint64_t>) : nullptr, InstClass::move);
            return true;
        }
        if (name == "%clock" || name == "%clock_hi" || name == "%globaltimer_lo" ||
            name == "%globaltimer_hi") {
            d.push(d.destination(0, 4));
            d.emit(bytes == 4 ? Handler(clock<uint32_t>) : nullptr, InstClass::move);
            return true;
        }
    }
    d.push({d.destination(0, bytes), d.row(1, bytes)});
    d.emit(bytes == 2   ? Handler(copy<uint16_t>)
           : bytes == 4 ? Handler(copy<uint32_t>)
           : bytes == 8 ? Handler(copy<uint64_t>)
                        : nullptr,
           InstClass::move);
    return true;
}

}  // namespace

bool decode_move(Decoding & d) {
    if (d.root() == "mov") return decode_mov(d);
    if (d.root() == "activemask") {
        d.take_type();
        d.expect_count(1);
        d.push(d.destination(0, 4));
        d.emit(lane_mask, InstClass::warp_exchange);
        return true;
    }
    if (d.root() == "cvta") {
        const bool to = d.take("to");
        uint64_t window = 0;
        if (d.take("shared")) {
            window = shared_window;
        } else if (d.take("shared::cta")) {
            window = shared_window;
        } else if (d.take("local")) {
            window = local_window;
        } else if (d.take("param")) {
            window = param_window;
        } else if (!d.take("global") && !d.take("const")) {
            d.fail("it names no state space");
        }
        const Type type = d.take_type();
        if (type != Type::u64) d.fail("only 64-bit addresses are carried out");
        d.expect_count(2);
        d.push({d.destination(0, 8), d.row(1, 8)});
        d.imm(to ? 0 - window : window);
        d.emit(window ? Handler(add_window<uint64_t>) : Handler(copy<uint64_t>), InstClass::move);
        return true;
    }
    if (d.root() == "isspacep") {
        static constexpr std::string_view spaces[] = {"global", "shared", "local", "param"};
        uint64_t which = 4;
        for (uint64_t i = 0; i < 4; ++i) {
            if (d.take(spaces[i])) which = i;
        }
        if (which == 4) d.fail("it names no state space");
        d.expect_count(2);
        d.push({d.predicate(d.arg(0)), d.row(1, 8)});
        d.imm(which);
        d.emit(in_window, InstClass::predicate);
        return true;
    }
    return false;
}

}  // namespace llamaproof::emulator
