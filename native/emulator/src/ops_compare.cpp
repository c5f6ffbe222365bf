// setp, set, selp, slct (PTX ISA, "Comparison and Selection Instructions").

#include <array>

#include "decode.h"
#include "reals.h"
#include "rows.h"

namespace llamaproof::emulator {

using ptx::Type;

namespace {

struct Eq {
    template <class T> static bool apply(T a, T b) { return a == b; }
};
struct Ne {
    template <class T> static bool apply(T a, T b) { return a < b || a > b; }
};
struct NeBits {
    template <class T> static bool apply(T a, T b) { return a != b; }
};
struct Lt {
    template <class T> static bool apply(T a, T b) { return a < b; }
};
struct Le {
    template <class T> static bool apply(T a, T b) { return a <= b; }
};
struct Gt {
    template <class T> static bool apply(T a, T b) { return a > b; }
};
struct Ge {
    template <class T> static bool apply(T a, T b) { return a >= b; }
};
// The unordered ones hold where either side is NaN.
struct Equ {
    template <class T> static bool apply(T a, T b) { return !(a < b || a > b); }
};
struct Neu {
    template <class T> static bool apply(T a, T b) { return !(a == b); }
};
struct Ltu {
    template <class T> static bool apply(T a, T b) { return !(a >= b); }
};
struct Leu {
    template <class T> static bool apply(T a, T b) { return !(a > b); }
};
struct Gtu {
    template <class T> static bool apply(T a, T b) { return !(a <= b); }
};
struct Geu {
    template <class T> static bool apply(T a, T b) { return !(a < b); }
};
struct Num {
    template <class T> static bool apply(T a, T b) { return a == a && b == b; }
};
struct Nan {
    template <class T> static bool apply(T a, T b) { return a != a || b != b; }
};

using Comparison = uint32_t (*)(Warp &, uint32_t, uint32_t);

template <class C, class T> uint32_t compare(Warp & warp, uint32_t a_row, uint32_t b_row) {
    alignas(64) uint8_t flags[lanes];
    const T * a = warp.row<T>(a_row);
    const T * b = warp.row<T>(b_row);
    for (int i = 0; i < lanes; ++i) flags[i] = C::apply(a[i], b[i]);
    return gather_bits(flags);
}

template <class C, bool Ftz> uint32_t compare_single(Warp & warp, uint32_t a_row, uint32_t b_row) {
    alignas(64) uint8_t flags[lanes];
    const float * a = warp.row<float>(a_row);
    const float * b = warp.row<float>(b_row);
    for (int i = 0; i < lanes; ++i) flags[i] = C::apply(flushed<Ftz>(a[i]), flushed<Ftz>(b[i]));
    return gather_bits(flags);
}

template <class C, bool Bfloat> uint32_t compare_half(Warp & warp, uint32_t a_row, uint32_t b_row) {
    alignas(64) uint8_t flags[lanes];
    const uint16_t * a = warp.row<uint16_t>(a_row);
    const uint16_t * b = warp.row<uint16_t>(b_row);
    for (int i = 0; i < lanes; ++i) {
        flags[i] = Bfloat ? C::apply(bfloat_to_float(a[i]), bfloat_to_float(b[i]))
                          : C::apply(half_to_float(a[i]), half_to_float(b[i]));
    }
    return gather_bits(flags);
}

// Bit 2 i of the result is the low half's answer in lane i... kept apart as two masks.
template <class C, bool Bfloat, bool High>
uint32_t compare_pair(Warp & warp, uint32_t a_row, uint32_t b_row) {
    alignas(64) uint8_t flags[lanes];
    const uint16_t * a = warp.row<uint16_t>(a_row) + (High ? 1 : 0);
    const uint16_t * b = warp.row<uint16_t>(b_row) + (High ? 1 : 0);
    for (int i = 0; i < lanes; ++i) {
        flags[i] = Bfloat ? C::apply(bfloat_to_float(a[2 * i]), bfloat_to_float(b[2 * i]))
                          : C::apply(half_to_float(a[2 * i]), half_to_float(b[2 * i]));
    }
    return gather_bits(flags);
}

// The comparison functions of a decode live in these tables; an instruction holds an index.
struct Choice {
    Comparison low = nullptr;
    Comparison high = nullptr;
};

template <class C> Choice integer_choice(Type type) {
    switch (type) {
        case Type::s16: return {compare<C, int16_t>, nullptr};
        case Type::u16:
        case Type::b16: return {compare<C, uint16_t>, nullptr};
        case Type::s32: return {compare<C, int32_t>, nullptr};
        case Type::u32:
        case Type::b32: return {compare<C, uint32_t>, nullptr};
        case Type::s64: return {compare<C, int64_t>, nullptr};
        case Type::u64:
        case Type::b64: return {compare<C, uint64_t>, nullptr};
        default: return {};
    }
}

template <class C> Choice real_choice(Type type, bool ftz) {
    switch (type) {
        case Type::f32:
            return {
                ftz ? Comparison(compare_single<C, true>) : Comparison(compare_single<C, false>),
                nullptr};
        case Type::f64: return {compare<C, double>, nullptr};
        case Type::f16: return {compare_half<C, false>, nullptr};
        case Type::bf16: return {compare_half<C, true>, nullptr};
        case Type::f16x2: return {compare_pair<C, false, false>, compare_pair<C, false, true>};
        case Type::bf16x2: return {compare_pair<C, true, false>, compare_pair<C, true, true>};
        default: return {};
    }
}

constexpr struct {
    std::string_view name;
    Choice (*reals)(Type type, bool ftz);
    Choice (*integers)(Type type);  // null for a comparison of reals alone
} comparisons[] = {
    {"eq", real_choice<Eq>, integer_choice<Eq>}, {"ne", real_choice<Ne>, integer_choice<NeBits>},
    {"lt", real_choice<Lt>, integer_choice<Lt>}, {"le", real_choice<Le>, integer_choice<Le>},
    {"gt", real_choice<Gt>, integer_choice<Gt>}, {"ge", real_choice<Ge>, integer_choice<Ge>},
    {"lo", nullptr, integer_choice<Lt>},         {"ls", nullptr, integer_choice<Le>},
    {"hi", nullptr, integer_choice<Gt>},         {"hs", nullptr, integer_choice<Ge>},
    {"equ", real_choice<Equ>, nullptr},          {"neu", real_choice<Neu>, nullptr},
    {"ltu", real_choice<Ltu>, nullptr},          {"leu", real_choice<Leu>, nullptr},
    {"gtu", real_choice<Gtu>, nullptr},          {"geu", real_choice<Geu>, nullptr},
    {"num", real_choice<Num>, nullptr},          {"nan", real_choice<Nan>, nullptr},
};
using NamedComparison = std::remove_reference_t<decltype(comparisons[0])>;

bool goes_with(const NamedComparison & comparison, Type type) {
    if (ptx::is_float(type)) return comparison.reals != nullptr;
    if (comparison.integers == nullptr) return false;
    const bool untyped = type == Type::b16 || type == Type::b32 || type == Type::b64;
    if (untyped) return comparison.name == "eq" || comparison.name == "ne";
    const bool of_unsigned = comparison.reals == nullptr;
    return !(of_unsigned && ptx::is_signed(type));
}

Choice choose(Decoding & d, const NamedComparison & comparison, Type type, bool ftz) {
    Choice choice;
    if (goes_with(comparison, type)) {
        const bool real = ptx::is_float(type);
        if (real && ftz && type != Type::f32) d.fail(".ftz is carried out for f32 alone");
        choice = real ? comparison.reals(type, ftz) : comparison.integers(type);
    }
    if (choice.low == nullptr) d.fail("the comparison does not go with the type");
    return choice;
}

constexpr uint64_t combine_none = 0, combine_and = 1, combine_or = 2, combine_xor = 3;

uint32_t combined(uint32_t value, uint32_t other, uint64_t how) {
    switch (how) {
        case combine_and: return value & other;
        case combine_or: return value | other;
        case combine_xor: return value ^ other;
        default: return value;
    }
}

Comparison comparison_at(const Inst & inst, int word) {
    uint64_t bits;
    std::memcpy(&bits, inst.op + word, sizeof bits);
    return reinterpret_cast<Comparison>(bits);
}

void push_comparison(Decoding & d, Comparison comparison) {
    const auto bits = reinterpret_cast<uint64_t>(comparison);
    d.push({static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32)});
}

// op: p, q, a, b, comparison (2 words), other predicate, its flip; imm: how to combine, +8 where q
// is the complement.
void setp(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint32_t value = comparison_at(inst, 4)(warp, inst.op[2], inst.op[3]);
    const uint64_t how = inst.imm & 7;
    const uint32_t other = how == combine_none ? 0 : warp.predicates[inst.op[6]] ^ inst.op[7];
    set_predicate(warp, inst.op[0], combined(value, other, how), mask);
    set_predicate(warp, inst.op[1], combined(~value, other, how), mask);
}

// For packed halves q is the high half's answer.
void setp_pair(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint32_t low = comparison_at(inst, 4)(warp, inst.op[2], inst.op[3]);
    const uint32_t high = comparison_at(inst, 8)(warp, inst.op[2], inst.op[3]);
    const uint64_t how = inst.imm & 7;
    const uint32_t other = how == combine_none ? 0 : warp.predicates[inst.op[6]] ^ inst.op[7];
    set_predicate(warp, inst.op[0], combined(low, other, how), mask);
    set_predicate(warp, inst.op[1], combined(high, other, how), mask);
}

// op: d, a, b, comparison, other, flip, high comparison; imm: combine, bits 8 and up the value for
// true in a half-word or word, bit 63: packed.
template <class Word> void set(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) Word result[lanes];
    const uint64_t how = inst.imm & 7;
    const uint32_t other = how == combine_none ? 0 : warp.predicates[inst.op[5]] ^ inst.op[6];
    const uint32_t low = combined(comparison_at(inst, 3)(warp, inst.op[1], inst.op[2]), other, how);
    const auto on = static_cast<Word>(inst.imm >> 8);
    for (int i = 0; i < lanes; ++i) result[i] = (low >> i) & 1 ? on : Word(0);
    blend(warp.row<Word>(inst.op[0]), result, mask);
}

void set_pair(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) uint32_t result[lanes];
    const uint64_t how = inst.imm & 7;
    const uint32_t other = how == combine_none ? 0 : warp.predicates[inst.op[5]] ^ inst.op[6];
    const uint32_t low = combined(comparison_at(inst, 3)(warp, inst.op[1], inst.op[2]), other, how);
    const uint32_t high =
        combined(comparison_at(inst, 7)(warp, inst.op[1], inst.op[2]), other, how);
    const auto on = static_cast<uint32_t>(inst.imm >> 8) & 0xffff;
    for (int i = 0; i < lanes; ++i) {
        result[i] = ((low >> i) & 1 ? on : 0) | ((high >> i) & 1 ? on << 16 : 0);
    }
    blend(warp.row<uint32_t>(inst.op[0]), result, mask);
}

uint64_t take_combination(Decoding & d) {
    if (d.take("and")) return combine_and;
    if (d.take("or")) return combine_or;
    if (d.take("xor")) return combine_xor;
    return combine_none;
}

const NamedComparison & take_comparison(Decoding & d) {
    for (const NamedComparison & comparison : comparisons) {
        if (d.take(comparison.name)) return comparison;
    }
    d.fail("it names no comparison");
}

// What the comparison is combined with, and the comparison of the high halves.
void push_rest(Decoding & d, const Choice & choice, uint64_t how) {
    if (how != combine_none) {
        d.push_predicate(d.arg(3));
    } else {
        d.push({0, 0});
    }
    if (choice.high) push_comparison(d, choice.high);
}

// The value of `set` where the comparison holds.
uint64_t true_value(Decoding & d, Type result) {
    switch (result) {
        case Type::u32:
        case Type::s32:
        case Type::b32: return 0xffffffffu;
        case Type::u16:
        case Type::s16: return 0xffff;
        case Type::f32: return 0x3f800000u;
        case Type::f16:
        case Type::f16x2: return 0x3c00;
        case Type::bf16:
        case Type::bf16x2: return 0x3f80;
        default: d.fail("not a result type of set");
    }
}

bool result_goes_with_pairs(Type result) {
    const bool word = ptx::size_of(result) == 4 && !ptx::is_float(result);
    return word || result == Type::f16x2 || result == Type::bf16x2;
}

// op: d, a, b, predicate, flip.
template <class T> void selp(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) T result[lanes];
    const T * a = warp.row<T>(inst.op[1]);
    const T * b = warp.row<T>(inst.op[2]);
    const uint32_t p = warp.predicates[inst.op[3]] ^ inst.op[4];
    for (int i = 0; i < lanes; ++i) result[i] = (p >> i) & 1 ? a[i] : b[i];
    blend(warp.row<T>(inst.op[0]), result, mask);
}

template <class T, class C, bool Ftz> void slct(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) T result[lanes];
    const T * a = warp.row<T>(inst.op[1]);
    const T * b = warp.row<T>(inst.op[2]);
    const C * c = warp.row<C>(inst.op[3]);
    for (int i = 0; i < lanes; ++i) {
        const C value = Ftz ? static_cast<C>(flushed<true>(static_cast<float>(c[i]))) : c[i];
        result[i] = value >= C(0) ? a[i] : b[i];
    }
    blend(warp.row<T>(inst.op[0]), result, mask);
}

template <class T> Handler slct_by(bool real, bool ftz) {
    return !real ? Handler(slct<T, int32_t, false>)
           : ftz ? Handler(slct<T, float, true>)
                 : Handler(slct<T, float, false>);
}

}  // namespace

void decode_setp(Decoding & d) {
    const NamedComparison & comparison = take_comparison(d);
    const uint64_t how = take_combination(d);
    const bool ftz = d.take("ftz");
    const Type type = d.take_type();
    const Choice choice = choose(d, comparison, type, ftz);
    d.expect_count(how == combine_none ? 3 : 4);
    ptx::Operand first = d.arg(0);
    const int second = first.pair;
    first.pair = -1;
    const int bytes = ptx::size_of(type);
    d.push({d.predicate(first), d.predicate_or_sink(second), d.row(1, bytes), d.row(2, bytes)});
    push_comparison(d, choice.low);
    push_rest(d, choice, how);
    d.imm(how);
    d.emit(choice.high ? setp_pair : setp, InstClass::predicate);
}

void decode_set(Decoding & d) {
    const NamedComparison & comparison = take_comparison(d);
    const uint64_t how = take_combination(d);
    const bool ftz = d.take("ftz");
    const Type result = d.take_type();
    const Type type = d.take_type_if_any().value_or(result);
    const Choice choice = choose(d, comparison, type, ftz);
    const uint64_t on = true_value(d, result);
    const bool pair = choice.high != nullptr;
    const bool packed = result == Type::f16x2 || result == Type::bf16x2;
    if (pair ? !result_goes_with_pairs(result) : packed) {
        d.fail("its result type does not go with the type compared");
    }
    d.expect_count(how == combine_none ? 3 : 4);
    const int bytes = ptx::size_of(type), wide = ptx::size_of(result);
    d.push({d.destination(0, wide), d.row(1, bytes), d.row(2, bytes)});
    push_comparison(d, choice.low);
    push_rest(d, choice, how);
    d.imm(how | (on << 8));
    const Handler single = wide == 4 ? set<uint32_t> : set<uint16_t>;
    d.emit(pair ? set_pair : single, InstClass::predicate);
}

void decode_selp(Decoding & d) {
    const int bytes = ptx::size_of(d.take_type());
    d.expect_count(4);
    d.push({d.destination(0, bytes), d.row(1, bytes), d.row(2, bytes)});
    d.push_predicate(d.arg(3));
    d.emit(by_bytes(bytes, selp<uint16_t>, selp<uint32_t>, selp<uint64_t>), InstClass::predicate);
}

void decode_slct(Decoding & d) {
    const bool ftz = d.take("ftz");
    const Type type = d.take_type();
    const Type selector = d.take_type_if_any().value_or(type);
    if (selector != Type::s32 && selector != Type::f32) d.fail("its selector is s32 or f32");
    const bool real = selector == Type::f32;
    const int bytes = ptx::size_of(type);
    d.expect_count(4);
    d.push({d.destination(0, bytes), d.row(1, bytes), d.row(2, bytes), d.row(3, 4)});
    d.emit(by_bytes(bytes, slct_by<uint16_t>(real, ftz), slct_by<uint32_t>(real, ftz),
                    slct_by<uint64_t>(real, ftz)),
           InstClass::predicate);
}

}  // namespace llamaproof::emulator
