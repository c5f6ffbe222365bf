// cvt in all the forms carried out (PTX ISA, "Data Movement and Conversion: cvt").

#include <algorithm>
#include <cmath>
#include <limits>

#include "decode.h"
#include "half_rows.h"
#include "reals.h"
#include "rounding.h"
#include "rows.h"

namespace llamaproof::emulator {

using ptx::Type;

namespace {

// ---- integer to integer: widen to 64 bits, clamp where .sat asks for it, narrow.

template <class Register, class Value> void widen(int64_t * to, const void * from) {
    const auto * row = static_cast<const Register *>(from);
    for (int i = 0; i < lanes; ++i) to[i] = static_cast<int64_t>(static_cast<Value>(row[i]));
}

template <class Register, class Value> void narrow(void * to, const int64_t * from, uint32_t mask) {
    alignas(64) Register result[lanes];
    for (int i = 0; i < lanes; ++i) result[i] = static_cast<Register>(static_cast<Value>(from[i]));
    blend(static_cast<Register *>(to), result, mask);
}

template <class Register> void widen_by(Type type, int64_t * to, const void * from) {
    switch (type) {
        case Type::u8:
        case Type::b8: return widen<Register, uint8_t>(to, from);
        case Type::s8: return widen<Register, int8_t>(to, from);
        case Type::u16:
        case Type::b16: return widen<Register, uint16_t>(to, from);
        case Type::s16: return widen<Register, int16_t>(to, from);
        case Type::u32:
        case Type::b32: return widen<Register, uint32_t>(to, from);
        case Type::s32: return widen<Register, int32_t>(to, from);
        default: return widen<Register, uint64_t>(to, from);
    }
}

template <class Register>
void narrow_by(Type type, void * to, const int64_t * from, uint32_t mask) {
    switch (type) {
        case Type::u8:
        case Type::b8: return narrow<Register, uint8_t>(to, from, mask);
        case Type::s8: return narrow<Register, int8_t>(to, from, mask);
        case Type::u16:
        case Type::b16: return narrow<Register, uint16_t>(to, from, mask);
        case Type::s16: return narrow<Register, int16_t>(to, from, mask);
        case Type::u32:
        case Type::b32: return narrow<Register, uint32_t>(to, from, mask);
        case Type::s32: return narrow<Register, int32_t>(to, from, mask);
        default: return narrow<Register, uint64_t>(to, from, mask);
    }
}

struct Range {
    long double low, high;
};

Range range_of(Type type) {
    const int bits = 8 * ptx::size_of(type);
    if (ptx::is_signed(type)) return {-std::ldexp(1.0L, bits - 1), std::ldexp(1.0L, bits - 1) - 1};
    return {0, std::ldexp(1.0L, bits) - 1};
}

// What the general handlers know; packed into imm.
struct Plan {
    Type to, from;
    uint8_t to_bytes, from_bytes;
    Rounding rounding;
    bool to_integral, ftz, sat, relu;
    uint64_t packed() const {
        return uint64_t(to) | uint64_t(from) << 8 | uint64_t(to_bytes) << 16 |
               uint64_t(from_bytes) << 24 | uint64_t(rounding) << 32 | uint64_t(to_integral) << 40 |
               uint64_t(ftz) << 41 | uint64_t(sat) << 42 | uint64_t(relu) << 43;
    }
    static Plan of(uint64_t v) {
        return {Type(v & 0xff),      Type((v >> 8) & 0xff),      uint8_t(v >> 16),
                uint8_t(v >> 24),    Rounding((v >> 32) & 0xff), bool((v >> 40) & 1),
                bool((v >> 41) & 1), bool((v >> 42) & 1),        bool((v >> 43) & 1)};
    }
};

void clamp(const Plan & plan, int64_t (&values)[lanes]) {
    const Range range = range_of(plan.to);
    for (int64_t & value : values) {
        const long double exact = plan.from == Type::u64
                                      ? static_cast<long double>(static_cast<uint64_t>(value))
                                      : static_cast<long double>(value);
        if (exact < range.low) value = static_cast<int64_t>(range.low);
        if (exact > range.high) {
            value = plan.to == Type::u64 ? -1 : static_cast<int64_t>(range.high);
        }
    }
}

void integer_to_integer(Warp & warp, const Inst & inst, uint32_t mask) {
    const Plan plan = Plan::of(inst.imm);
    alignas(64) int64_t wide[lanes];
    const void * from = warp.row<uint8_t>(inst.op[1]);
    switch (plan.from_bytes) {
        case 2: widen_by<uint16_t>(plan.from, wide, from); break;
        case 4: widen_by<uint32_t>(plan.from, wide, from); break;
        default: widen_by<uint64_t>(plan.from, wide, from); break;
    }
    if (plan.sat) clamp(plan, wide);
    void * to = warp.row<uint8_t>(inst.op[0]);
    switch (plan.to_bytes) {
        case 2: narrow_by<uint16_t>(plan.to, to, wide, mask); break;
        case 4: narrow_by<uint32_t>(plan.to, to, wide, mask); break;
        default: narrow_by<uint64_t>(plan.to, to, wide, mask); break;
    }
}

// ---- everything with a real on either side, by exact values in long double (64 bits of
// precision).

long double read_value(const Plan & plan, const uint8_t * row, int lane) {
    uint64_t raw = 0;
    std::memcpy(&raw, row + static_cast<size_t>(lane) * plan.from_bytes, plan.from_bytes);
    switch (plan.from) {
        case Type::u8:
        case Type::b8: return static_cast<uint8_t>(raw);
        case Type::s8: return static_cast<int8_t>(raw);
        case Type::u16:
        case Type::b16: return static_cast<uint16_t>(raw);
        case Type::s16: return static_cast<int16_t>(raw);
        case Type::u32:
        case Type::b32: return static_cast<uint32_t>(raw);
        case Type::s32: return static_cast<int32_t>(raw);
        case Type::u64:
        case Type::b64: return raw;
        case Type::s64: return static_cast<int64_t>(raw);
        case Type::f16: return half_to_float(static_cast<uint16_t>(raw));
        case Type::bf16: return bfloat_to_float(static_cast<uint16_t>(raw));
        case Type::f32: {
            const float x = float_of(static_cast<uint32_t>(raw));
            return plan.ftz ? flushed<true>(x) : x;
        }
        default: return double_of(raw);
    }
}

Format format_of(Type type) {
    switch (type) {
        case Type::f16: return half_format;
        case Type::bf16: return bfloat_format;
        case Type::f32: return single_format;
        case Type::tf32: return tf32_format;
        default: return double_format;
    }
}

uint64_t real_bits(Type type, long double value) {
    switch (type) {
        case Type::f16: return float_to_half(static_cast<float>(value));
        case Type::bf16: return float_to_bfloat(static_cast<float>(value));
        case Type::f32:
        case Type::tf32: return bits_of(canonical(static_cast<float>(value)));
        default: return bits_of(canonical(static_cast<double>(value)));
    }
}

uint64_t converted_to_integer(const Plan & plan, long double value) {
    // The ISA: NaN gives 0 for 32-bit and narrower results, 0x8000000000000000 for 64-bit ones.
    if (value != value) return ptx::size_of(plan.to) == 8 ? uint64_t(1) << 63 : 0;
    const Range range = range_of(plan.to);
    const long double rounded = rounded_to_integer(value, plan.rounding);
    const long double clamped = std::min(std::max(rounded, range.low), range.high);
    return ptx::is_signed(plan.to) ? static_cast<uint64_t>(static_cast<int64_t>(clamped))
                                   : static_cast<uint64_t>(clamped);
}

uint64_t converted(const Plan & plan, long double value) {
    if (!ptx::is_float(plan.to)) return converted_to_integer(plan, value);
    if (std::isfinite(value)) {
        if (plan.to_integral) value = rounded_to_integer(value, plan.rounding);
        value = rounded_to(value, format_of(plan.to),
                           plan.to_integral ? Rounding::nearest_even : plan.rounding);
    }
    if (plan.sat) value = value > 0 ? std::min(value, 1.0L) : 0.0L;
    if (plan.relu && value < 0) value = 0;
    if (plan.ftz && plan.to == Type::f32) value = flushed<true>(static_cast<float>(value));
    return real_bits(plan.to, value);
}

void with_reals(Warp & warp, const Inst & inst, uint32_t mask) {
    const Plan plan = Plan::of(inst.imm);
    const uint8_t * from = warp.row<uint8_t>(inst.op[1]);
    uint8_t * to = warp.row<uint8_t>(inst.op[0]);
    for (const int lane : lanes_of(mask)) {
        uint64_t bits = converted(plan, read_value(plan, from, lane));
        if (!ptx::is_float(plan.to) && plan.to_bytes > ptx::size_of(plan.to)) {
            // A narrow integer in a wider register is extended as its type says.
            const int shift = 64 - 8 * ptx::size_of(plan.to);
            bits = ptx::is_signed(plan.to)
                       ? static_cast<uint64_t>(static_cast<int64_t>(bits << shift) >> shift)
                       : (bits << shift) >> shift;
        }
        std::memcpy(to + static_cast<size_t>(lane) * plan.to_bytes, &bits, plan.to_bytes);
    }
}

// cvt.rn.f16x2.f32 d, a, b: a becomes the upper half.
void pack_halves(Warp & warp, const Inst & inst, uint32_t mask) {
    const Plan plan = Plan::of(inst.imm);
    Plan half = plan;
    half.to = plan.to == Type::f16x2 ? Type::f16 : Type::bf16;
    half.from = Type::f32;
    half.from_bytes = 4;
    const uint8_t * a = warp.row<uint8_t>(inst.op[1]);
    const uint8_t * b = warp.row<uint8_t>(inst.op[2]);
    uint32_t * d = warp.row<uint32_t>(inst.op[0]);
    for (const int lane : lanes_of(mask)) {
        d[lane] = static_cast<uint32_t>(converted(half, read_value(half, a, lane)) << 16 |
                                        converted(half, read_value(half, b, lane)));
    }
}

template <class H> void pack_nearest(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) uint16_t high[lanes], low[lanes];
    alignas(64) uint32_t result[lanes];
    H::narrow(high, warp.row<float>(inst.op[1]), lanes);
    H::narrow(low, warp.row<float>(inst.op[2]), lanes);
    for (int i = 0; i < lanes; ++i) result[i] = uint32_t(high[i]) << 16 | low[i];
    blend(warp.row<uint32_t>(inst.op[0]), result, mask);
}

// cvt.rn.f16x2.e4m3x2 and .e5m2x2: two 8-bit reals, both exact in f16. e4m3 has no infinity and one
// NaN pattern.
uint16_t half_of_e4m3(uint8_t bits) {
    const auto sign = static_cast<uint16_t>((bits & 0x80) << 8);
    const uint32_t exponent = (bits >> 3) & 15, fraction = bits & 7;
    if ((bits & 0x7f) == 0x7f) return 0x7fff;
    if (exponent == 0) {
        return static_cast<uint16_t>(sign | float_to_half(static_cast<float>(fraction) * 0x1p-9f));
    }
    return static_cast<uint16_t>(sign | ((exponent + 8) << 10) | (fraction << 7));
}

// imm: 1 for e5m2, 2 for .relu.
void unpack_bytes(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint16_t * a = warp.row<uint16_t>(inst.op[1]);
    uint32_t * d = warp.row<uint32_t>(inst.op[0]);
    for (const int lane : lanes_of(mask)) {
        uint32_t packed = 0;
        for (int i = 0; i < 2; ++i) {
            const auto byte = static_cast<uint8_t>(a[lane] >> (8 * i));
            uint16_t half = inst.imm & 1 ? static_cast<uint16_t>(byte << 8) : half_of_e4m3(byte);
            if ((half & 0x7fff) > 0x7c00) {
                half = 0x7fff;
            } else if ((inst.imm & 2) && (half & 0x8000)) {
                half = 0;
            }
            packed |= uint32_t(half) << (16 * i);
        }
        d[lane] = packed;
    }
}

// ---- the frequent forms.

template <class D, class S> struct CastTo {
    static D apply(S a) { return static_cast<D>(a); }
};
template <class D, class Narrow, class S> struct CastThrough {
    static D apply(S a) { return static_cast<D>(static_cast<Narrow>(a)); }
};

template <class H, bool Ftz> void single_from_half(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) float result[lanes];
    H::widen(result, warp.row<uint16_t>(inst.op[1]), lanes);
    for (int i = 0; i < lanes; ++i) result[i] = canonical(flushed<Ftz>(result[i]));
    blend(warp.row<float>(inst.op[0]), result, mask);
}

template <class H, bool Ftz> void half_from_single(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) float plain[lanes];
    alignas(64) uint16_t result[lanes];
    const float * a = warp.row<float>(inst.op[1]);
    for (int i = 0; i < lanes; ++i) plain[i] = flushed<Ftz>(a[i]);
    H::narrow(result, plain, lanes);
    blend(warp.row<uint16_t>(inst.op[0]), result, mask);
}

// rzi to s32: float's truncation with the ISA's clamping and 0 for NaN.
template <bool Ftz> struct TruncateSigned {
    static int32_t apply(float a) {
        const float x = flushed<Ftz>(a);
        const float inside = x >= 2147483648.0f   ? 0.0f
                             : x < -2147483648.0f ? 0.0f
                             : x != x             ? 0.0f
                                                  : x;
        const auto whole = static_cast<int32_t>(inside);
        return x >= 2147483648.0f ? INT32_MAX : x < -2147483648.0f ? INT32_MIN : whole;
    }
};

constexpr int key(Type to, int to_bytes, Type from, int from_bytes) {
    return ((static_cast<int>(to) * 16 + to_bytes) * 64 + static_cast<int>(from)) * 16 + from_bytes;
}

Handler frequent_integer(Type to, int to_bytes, Type from, int from_bytes) {
    switch (key(to, to_bytes, from, from_bytes)) {
        case key(Type::s64, 8, Type::s32, 4):
            return unary<CastTo<int64_t, int32_t>, int64_t, int32_t>;
        case key(Type::u64, 8, Type::u32, 4):
            return unary<CastTo<uint64_t, uint32_t>, uint64_t, uint32_t>;
        case key(Type::u32, 4, Type::u64, 8):
        case key(Type::s32, 4, Type::s64, 8):
        case key(Type::u32, 4, Type::s64, 8):
            return unary<CastTo<uint32_t, uint64_t>, uint32_t, uint64_t>;
        case key(Type::u32, 4, Type::u16, 2):
            return unary<CastTo<uint32_t, uint16_t>, uint32_t, uint16_t>;
        case key(Type::s32, 4, Type::s16, 2):
            return unary<CastTo<int32_t, int16_t>, int32_t, int16_t>;
        case key(Type::u32, 4, Type::u8, 2):
            return unary<CastThrough<uint32_t, uint8_t, uint16_t>, uint32_t, uint16_t>;
        case key(Type::s32, 4, Type::s8, 4):
            return unary<CastThrough<int32_t, int8_t, uint32_t>, int32_t, uint32_t>;
        case key(Type::s32, 4, Type::s8, 2):
            return unary<CastThrough<int32_t, int8_t, uint16_t>, int32_t, uint16_t>;
        case key(Type::u16, 2, Type::u32, 4):
            return unary<CastTo<uint16_t, uint32_t>, uint16_t, uint32_t>;
        case key(Type::u16, 2, Type::u8, 2):
            return unary<CastThrough<uint16_t, uint8_t, uint16_t>, uint16_t, uint16_t>;
        case key(Type::s16, 2, Type::s8, 2):
            return unary<CastThrough<int16_t, int8_t, uint16_t>, int16_t, uint16_t>;
        default: return nullptr;
    }
}

Handler frequent_to_nearest(const Plan & plan) {
    switch (key(plan.to, plan.to_bytes, plan.from, plan.from_bytes)) {
        case key(Type::f32, 4, Type::s32, 4): return unary<CastTo<float, int32_t>, float, int32_t>;
        case key(Type::f32, 4, Type::u32, 4):
            return unary<CastTo<float, uint32_t>, float, uint32_t>;
        case key(Type::f32, 4, Type::s16, 2): return unary<CastTo<float, int16_t>, float, int16_t>;
        case key(Type::f32, 4, Type::u16, 2):
            return unary<CastTo<float, uint16_t>, float, uint16_t>;
        case key(Type::f32, 4, Type::s8, 2):
            return unary<CastThrough<float, int8_t, uint16_t>, float, uint16_t>;
        case key(Type::f32, 4, Type::u8, 2):
            return unary<CastThrough<float, uint8_t, uint16_t>, float, uint16_t>;
        case key(Type::f32, 4, Type::f16, 2):
            return plan.ftz ? single_from_half<HalfRow, true> : single_from_half<HalfRow, false>;
        case key(Type::f32, 4, Type::bf16, 2):
            return plan.ftz ? single_from_half<BfloatRow, true>
                            : single_from_half<BfloatRow, false>;
        case key(Type::f16, 2, Type::f32, 4):
            return plan.ftz ? half_from_single<HalfRow, true> : half_from_single<HalfRow, false>;
        case key(Type::bf16, 2, Type::f32, 4):
            return plan.ftz ? half_from_single<BfloatRow, true>
                            : half_from_single<BfloatRow, false>;
        default: return nullptr;
    }
}

Handler frequent_real(const Plan & plan) {
    if (plan.sat || plan.relu) return nullptr;
    if (plan.rounding == Rounding::nearest_even && !plan.to_integral) {
        return frequent_to_nearest(plan);
    }
    const bool truncates = plan.rounding == Rounding::toward_zero;
    const int types = key(plan.to, plan.to_bytes, plan.from, plan.from_bytes);
    if (!truncates || types != key(Type::s32, 4, Type::f32, 4)) return nullptr;
    return plan.ftz ? unary<TruncateSigned<true>, int32_t, float>
                    : unary<TruncateSigned<false>, int32_t, float>;
}

// What stands in the opcode: Plan, and whether it names a rounding mode.
struct Named {
    Plan plan{};
    bool rounds = false;
};

void take_rounding(Decoding & d, Named & named) {
    static constexpr struct {
        std::string_view name;
        Rounding rounding;
        bool integral;
    } modes[] = {
        {"rn", Rounding::nearest_even, false},
        {"rz", Rounding::toward_zero, false},
        {"rm", Rounding::down, false},
        {"rp", Rounding::up, false},
        {"rna", Rounding::nearest_away, false},
        {"rni", Rounding::nearest_even, true},
        {"rzi", Rounding::toward_zero, true},
        {"rmi", Rounding::down, true},
        {"rpi", Rounding::up, true},
    };
    for (const auto & mode : modes) {
        if (!d.take(mode.name)) continue;
        if (named.rounds) d.fail("two rounding modes");
        named.rounds = true;
        named.plan.rounding = mode.rounding;
        named.plan.to_integral = mode.integral;
    }
}

bool to_nearest(const Named & named) {
    return named.rounds && named.plan.rounding == Rounding::nearest_even && !named.plan.to_integral;
}

// cvt.rn.f16x2.e4m3x2 and .e5m2x2.
bool emit_unpacked_bytes(Decoding & d, const Named & named) {
    const auto bytes = d.take_one_of({"e4m3x2", "e5m2x2"});
    if (!bytes) return false;
    if (!to_nearest(named) || named.plan.ftz || named.plan.sat) d.fail("this form is not known");
    d.expect_count(2);
    d.push({d.destination(0, 4), d.row(1, 2)});
    d.imm((*bytes == "e5m2x2" ? 1u : 0u) | (named.plan.relu ? 2u : 0u));
    d.emit(unpack_bytes, InstClass::convert);
    return true;
}

void emit_packed(Decoding & d, Named & named) {
    Plan & plan = named.plan;
    if (plan.from != Type::f32 || !named.rounds || plan.to_integral) {
        d.fail("this form is not known");
    }
    plan.to_bytes = plan.from_bytes = 4;
    d.push_alike(2, 4);
    d.imm(plan.packed());
    const bool simple = to_nearest(named) && !plan.relu && !plan.sat;
    const Handler nearest =
        plan.to == Type::f16x2 ? pack_nearest<HalfRow> : pack_nearest<BfloatRow>;
    d.emit(simple ? nearest : pack_halves, InstClass::convert);
}

RowRef target_row(Decoding & d) {
    const ptx::Operand & target = d.arg(0);
    if (target.kind == ptx::OperandKind::sink) return {d.scratch(8), 8};
    if (target.kind != ptx::OperandKind::reg) d.fail("its destination is no register");
    return d.any_row(target, 0);
}

// An integer may stand in a wider register, a real may not.
bool fits(int bytes, Type type) {
    const int least = std::max(2, ptx::size_of(type));
    return ptx::is_float(type) ? bytes == least : bytes >= least;
}

void push_rows(Decoding & d, Plan & plan) {
    d.expect_count(2);
    const RowRef to = target_row(d), from = d.any_row(d.arg(1), ptx::size_of(plan.from));
    if (!fits(to.bytes, plan.to) || !fits(from.bytes, plan.from)) {
        d.fail("a register is of the wrong width");
    }
    plan.to_bytes = static_cast<uint8_t>(to.bytes);
    plan.from_bytes = static_cast<uint8_t>(from.bytes);
    d.push({to.offset, from.offset});
}

void check_rounding_between_reals(Decoding & d, const Named & named) {
    const Type to = named.plan.to, from = named.plan.from;
    const bool between_halves = to != from && (to == Type::bf16 || from == Type::bf16) &&
                                to != Type::f32 && to != Type::f64;
    const bool narrows = format_of(to).precision < format_of(from).precision || between_halves;
    if (narrows && !named.rounds) d.fail("it needs a rounding mode");
}

void check_rounding(Decoding & d, const Named & named) {
    const bool to_real = ptx::is_float(named.plan.to), from_real = ptx::is_float(named.plan.from);
    if (to_real && from_real) return check_rounding_between_reals(d, named);
    if (!to_real && !from_real) {
        if (named.rounds) d.fail("a rounding mode between integers");
        return;
    }
    if (!named.rounds) d.fail("it needs a rounding mode");
    if (from_real && !named.plan.to_integral) d.fail("it needs an integer rounding mode");
    if (to_real && named.plan.to_integral) d.fail("an integer rounding mode from an integer");
}

Handler handler_of(const Plan & plan) {
    if (ptx::is_float(plan.to) || ptx::is_float(plan.from)) {
        const Handler quick = frequent_real(plan);
        return quick != nullptr ? quick : with_reals;
    }
    if (plan.sat) return integer_to_integer;
    const Handler quick = frequent_integer(plan.to, plan.to_bytes, plan.from, plan.from_bytes);
    return quick != nullptr ? quick : integer_to_integer;
}

bool is_packed(Type type) { return type == Type::f16x2 || type == Type::bf16x2; }

}  // namespace

void decode_cvt(Decoding & d) {
    Named named;
    Plan & plan = named.plan;
    take_rounding(d, named);
    plan.ftz = d.take("ftz");
    plan.sat = d.take("sat");
    plan.relu = d.take("relu");
    plan.to = d.take_type();
    if (plan.to == Type::f16x2 && emit_unpacked_bytes(d, named)) return;
    // Of two equal types one name is left when the other was taken: cvt.f32.f32 still has both.
    const auto from = d.take_type_if_any();
    if (!from) d.fail("it names one type");
    plan.from = *from;
    if (is_packed(plan.to)) return emit_packed(d, named);
    if (plan.to == Type::pred || plan.from == Type::pred || ptx::size_of(plan.to) > 8 ||
        is_packed(plan.from) || plan.from == Type::tf32) {
        d.fail("this form is not known");
    }
    push_rows(d, plan);
    check_rounding(d, named);
    d.imm(plan.packed());
    d.emit(handler_of(plan), InstClass::convert);
}

}  // namespace llamaproof::emulator
