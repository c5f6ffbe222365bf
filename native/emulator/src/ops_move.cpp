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

// A vector of parts in one register as wide as all of them, or back.
struct VectorForm {
    int bytes;
    size_t parts;
    Handler pack, unpack;
};
constexpr VectorForm vector_forms[] = {
    {4, 2, pack<uint32_t, uint16_t>, unpack<uint32_t, uint16_t>},
    {8, 2, pack<uint64_t, uint32_t>, unpack<uint64_t, uint32_t>},
    {8, 4, pack<uint64_t, uint16_t>, unpack<uint64_t, uint16_t>}};

const VectorForm & vector_form(Decoding & d, int bytes, size_t parts) {
    for (const VectorForm & form : vector_forms) {
        if (form.bytes == bytes && form.parts == parts) return form;
    }
    d.fail("a vector of " + std::to_string(parts) + " elements in " + std::to_string(8 * bytes) +
           " bits");
}

void emit_pack(Decoding & d, int bytes) {
    const std::vector<Operand> & items = d.arg(1).items;
    const VectorForm & form = vector_form(d, bytes, items.size());
    const int part = bytes / static_cast<int>(form.parts);
    d.push(d.destination(0, bytes));
    for (const Operand & item : items) d.push(d.row(item, part));
    d.emit(form.pack, InstClass::move);
}

void emit_unpack(Decoding & d, int bytes) {
    const std::vector<Operand> & items = d.arg(0).items;
    const VectorForm & form = vector_form(d, bytes, items.size());
    const int part = bytes / static_cast<int>(form.parts);
    d.push(d.row(1, bytes));
    for (const Operand & item : items) d.push(d.destination(item, part));
    d.emit(form.unpack, InstClass::move);
}

void emit_predicate_move(Decoding & d) {
    d.push(d.predicate(d.arg(0)));
    if (const auto value = d.constant(d.arg(1))) {
        d.imm(1 | (*value != 0 ? uint64_t(full_mask) << 1 : 0));
    } else {
        d.push_predicate(d.arg(1));
    }
    d.emit(copy_predicate, InstClass::predicate);
}

// The width of a clock's register, 0 for any other operand.
int clock_bytes(const Operand & operand) {
    if (operand.kind != OperandKind::special) return 0;
    const std::string & name = operand.name;
    if (name == "%clock64" || name == "%globaltimer") return 8;
    const bool half = name == "%clock" || name == "%clock_hi" || name == "%globaltimer_lo" ||
                      name == "%globaltimer_hi";
    return half ? 4 : 0;
}

void emit_clock(Decoding & d, int bytes) {
    if (bytes != clock_bytes(d.arg(1))) d.fail("this form is not known");
    d.push(d.destination(0, bytes));
    d.emit(bytes == 8 ? clock<uint64_t> : clock<uint32_t>, InstClass::move);
}

uint64_t take_window(Decoding & d) {
    if (d.take("shared") || d.take("shared::cta")) return shared_window;
    if (d.take("local")) return local_window;
    if (d.take("param")) return param_window;
    if (!d.take("global") && !d.take("const")) d.fail("it names no state space");
    return 0;
}

}  // namespace

void decode_mov(Decoding & d) {
    d.expect_count(2);
    const Type type = d.take_type();
    if (type == Type::pred) return emit_predicate_move(d);
    const int bytes = ptx::size_of(type);
    if (d.arg(0).kind == OperandKind::vector) return emit_unpack(d, bytes);
    if (d.arg(1).kind == OperandKind::vector) return emit_pack(d, bytes);
    if (clock_bytes(d.arg(1)) != 0) return emit_clock(d, bytes);
    d.push_alike(1, bytes);
    d.emit(by_bytes(bytes, copy<uint16_t>, copy<uint32_t>, copy<uint64_t>), InstClass::move);
}

void decode_activemask(Decoding & d) {
    d.take_type();
    d.expect_count(1);
    d.push(d.destination(0, 4));
    d.emit(lane_mask, InstClass::warp_exchange);
}

void decode_cvta(Decoding & d) {
    const bool to = d.take("to");
    const uint64_t window = take_window(d);
    if (d.take_type() != Type::u64) d.fail("only 64-bit addresses are carried out");
    d.push_alike(1, 8);
    d.imm(to ? 0 - window : window);
    d.emit(window != 0 ? add_window<uint64_t> : copy<uint64_t>, InstClass::move);
}

void decode_isspacep(Decoding & d) {
    static constexpr std::string_view spaces[] = {"global", "shared", "local", "param"};
    uint64_t which = std::size(spaces);
    for (uint64_t i = 0; i < std::size(spaces); ++i) {
        if (d.take(spaces[i])) which = i;
    }
    if (which == std::size(spaces)) d.fail("it names no state space");
    d.expect_count(2);
    d.push({d.predicate(d.arg(0)), d.row(1, 8)});
    d.imm(which);
    d.emit(in_window, InstClass::predicate);
}

}  // namespace llamaproof::emulator
