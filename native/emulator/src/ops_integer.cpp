// Integer arithmetic, logic, shifts and bit fields (PTX ISA, "Integer Arithmetic Instructions" and
// "Logic and Shift").

#include <limits>
#include <type_traits>

#include "decode.h"
#include "rows.h"

namespace llamaproof::emulator {

using ptx::Type;

namespace {

template <class T> using Unsigned = std::make_unsigned_t<T>;
template <class T> struct Wider;
template <> struct Wider<uint16_t> {
    using type = uint32_t;
};
template <> struct Wider<int16_t> {
    using type = int32_t;
};
template <> struct Wider<uint32_t> {
    using type = uint64_t;
};
template <> struct Wider<int32_t> {
    using type = int64_t;
};
__extension__ typedef unsigned __int128 uint128;
__extension__ typedef __int128 int128;
template <> struct Wider<uint64_t> {
    using type = uint128;
};
template <> struct Wider<int64_t> {
    using type = int128;
};
template <class T> using Wide = typename Wider<T>::type;

template <class T> T wrap(uint64_t value) {
    return static_cast<T>(static_cast<Unsigned<T>>(value));
}

struct Add {
    template <class T> static T apply(T a, T b) { return wrap<T>(uint64_t(a) + uint64_t(b)); }
};
struct Sub {
    template <class T> static T apply(T a, T b) { return wrap<T>(uint64_t(a) - uint64_t(b)); }
};
struct Mul {
    template <class T> static T apply(T a, T b) {
        return static_cast<T>(static_cast<Unsigned<T>>(uint64_t(a) * uint64_t(b)));
    }
};
struct MulHigh {
    template <class T> static T apply(T a, T b) {
        return static_cast<T>((static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b)) >>
                              (8 * sizeof(T)));
    }
};
struct MulWide {
    template <class T> static Wide<T> apply(T a, T b) {
        return static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b);
    }
};
struct Mad {
    template <class T> static T apply(T a, T b, T c) {
        return Add::apply<T>(Mul::apply<T>(a, b), c);
    }
};
struct MadHigh {
    template <class T> static T apply(T a, T b, T c) {
        return Add::apply<T>(MulHigh::apply<T>(a, b), c);
    }
};
struct MadWide {
    template <class T> static Wide<T> apply(T a, T b, Wide<T> c) {
        return Add::apply<Wide<T>>(MulWide::apply<T>(a, b), c);
    }
};
// 24-bit products (mul24, mad24).
struct Mul24Low {
    template <class T> static T apply(T a, T b) {
        const auto narrow = [](T v) {
            return static_cast<int64_t>(static_cast<T>(Unsigned<T>(v) << 8)) >> 8;
        };
        return static_cast<T>(static_cast<uint64_t>(
            std::is_signed_v<T> ? narrow(a) * narrow(b)
                                : int64_t(a & 0xffffff) * int64_t(b & 0xffffff)));
    }
};
struct Mad24Low {
    template <class T> static T apply(T a, T b, T c) {
        return Add::apply<T>(Mul24Low::apply<T>(a, b), c);
    }
};

// What a division by zero gives the ISA leaves open; the hardware's all-ones quotient stands here.
struct Div {
    template <class T> static T apply(T a, T b) {
        if (b == 0) return static_cast<T>(~T(0));
        if (std::is_signed_v<T> && b == static_cast<T>(-1)) return Sub::apply<T>(0, a);
        return static_cast<T>(a / b);
    }
};
struct Rem {
    template <class T> static T apply(T a, T b) {
        if (b == 0) return a;
        if (std::is_signed_v<T> && b == static_cast<T>(-1)) return 0;
        return static_cast<T>(a % b);
    }
};
struct Min {
    template <class T> static T apply(T a, T b) { return a < b ? a : b; }
};
struct Max {
    template <class T> static T apply(T a, T b) { return a < b ? b : a; }
};
struct Abs {
    template <class T> static T apply(T a) { return a < 0 ? Sub::apply<T>(0, a) : a; }
};
struct Neg {
    template <class T> static T apply(T a) { return Sub::apply<T>(0, a); }
};
struct Not {
    template <class T> static T apply(T a) { return static_cast<T>(~a); }
};
struct Cnot {
    template <class T> static T apply(T a) { return a == 0; }
};
struct And {
    template <class T> static T apply(T a, T b) { return a & b; }
};
struct Or {
    template <class T> static T apply(T a, T b) { return a | b; }
};
struct Xor {
    template <class T> static T apply(T a, T b) { return a ^ b; }
};
// Shift amounts beyond the width count as the width.
struct Shl {
    template <class T> static T apply(T a, uint32_t n) {
        return n >= 8 * sizeof(T) ? T(0) : static_cast<T>(uint64_t(a) << (n & 63));
    }
};
struct Shr {
    template <class T> static T apply(T a, uint32_t n) {
        const uint32_t top = 8 * sizeof(T) - 1;
        if constexpr (std::is_signed_v<T>) return static_cast<T>(a >> (n > top ? top : n));
        return n > top ? T(0) : static_cast<T>(a >> (n & top));
    }
};
struct Sad {
    template <class T> static T apply(T a, T b, T c) {
        return Add::apply<T>(c, a < b ? Sub::apply<T>(b, a) : Sub::apply<T>(a, b));
    }
};
struct AddSat {
    static int32_t apply(int32_t a, int32_t b) {
        const int64_t sum = int64_t(a) + b;
        return static_cast<int32_t>(sum < INT32_MIN   ? INT32_MIN
                                    : sum > INT32_MAX ? INT32_MAX
                                                      : sum);
    }
};
struct SubSat {
    static int32_t apply(int32_t a, int32_t b) {
        const int64_t difference = int64_t(a) - b;
        return static_cast<int32_t>(difference < INT32_MIN   ? INT32_MIN
                                    : difference > INT32_MAX ? INT32_MAX
                                                             : difference);
    }
};
struct Popc32 {
    static uint32_t apply(uint32_t a) { return static_cast<uint32_t>(__builtin_popcount(a)); }
};
struct Popc64 {
    static uint32_t apply(uint64_t a) { return static_cast<uint32_t>(__builtin_popcountll(a)); }
};
struct Clz32 {
    static uint32_t apply(uint32_t a) {
        return a == 0 ? 32 : static_cast<uint32_t>(__builtin_clz(a));
    }
};
struct Clz64 {
    static uint32_t apply(uint64_t a) {
        return a == 0 ? 64 : static_cast<uint32_t>(__builtin_clzll(a));
    }
};
struct Brev {
    template <class T> static T apply(T a) {
        T result = 0;
        for (size_t i = 0; i < 8 * sizeof(T); ++i) {
            result = static_cast<T>((result << 1) | ((a >> i) & 1));
        }
        return result;
    }
};
// Bit field extract and insert: position and length are the low 8 bits of their operands.
struct Bfe {
    template <class T> static T apply(T a, uint32_t b, uint32_t c) {
        const uint32_t bits = 8 * sizeof(T), position = b & 0xff, length = c & 0xff;
        const bool is_signed = std::is_signed_v<T>;
        uint64_t sign = 0;
        if (is_signed && length != 0) {
            const uint32_t top =
                position + length - 1 < bits - 1 ? position + length - 1 : bits - 1;
            sign = (uint64_t(a) >> top) & 1;
        }
        uint64_t result = 0;
        const auto source = static_cast<uint64_t>(static_cast<Unsigned<T>>(a));
        const uint64_t field = position >= 64 ? 0 : source >> position;
        const uint64_t keep = length >= 64 ? ~uint64_t(0) : (uint64_t(1) << length) - 1;
        result = field & keep;
        // Beyond the source's top, and above the field, stands the sign.
        const uint32_t valid =
            position >= bits ? 0 : (length < bits - position ? length : bits - position);
        if (sign) result |= valid >= 64 ? 0 : ~uint64_t(0) << valid;
        return wrap<T>(result);
    }
};
struct Bfi {
    template <class T> static T apply(T a, T b, uint32_t c, uint32_t d) {
        const uint32_t bits = 8 * sizeof(T), position = c & 0xff, length = d & 0xff;
        if (position >= bits || length == 0) return b;
        const uint32_t taken = length < bits - position ? length : bits - position;
        const T keep = static_cast<T>((taken >= bits ? ~T(0) : static_cast<T>((T(1) << taken) - 1))
                                      << position);
        return static_cast<T>((b & static_cast<T>(~keep)) | (static_cast<T>(a << position) & keep));
    }
};
template <bool Shift> struct Bfind {
    template <class T> static uint32_t apply(T a) {
        const uint32_t top = 8 * sizeof(T) - 1;
        const auto bits =
            static_cast<uint64_t>(static_cast<Unsigned<T>>(a < 0 ? static_cast<T>(~a) : a));
        if (bits == 0) return 0xffffffffu;
        const auto at = static_cast<uint32_t>(63 - __builtin_clzll(bits));
        return Shift ? top - at : at;
    }
};
struct Fns {
    static uint32_t apply(uint32_t mask, uint32_t base, int32_t offset) {
        if (base > 31) return 0xffffffffu;
        if (offset == 0) return (mask >> base) & 1 ? base : 0xffffffffu;
        int count = (offset < 0 ? -offset : offset) - 1;
        const int step = offset < 0 ? -1 : 1;
        for (int at = static_cast<int>(base); at >= 0 && at < 32; at += step) {
            if (((mask >> at) & 1) == 0) continue;
            if (count-- == 0) return static_cast<uint32_t>(at);
        }
        return 0xffffffffu;
    }
};

// Signedness of the elements is that of A and B.
template <class Like> using Byte = std::conditional_t<std::is_signed_v<Like>, int8_t, uint8_t>;
template <class Like>
using HalfWord = std::conditional_t<std::is_signed_v<Like>, int16_t, uint16_t>;
template <class A, class B> struct Dp4a {
    static uint32_t apply(uint32_t a, uint32_t b, uint32_t c) {
        for (int i = 0; i < 4; ++i) {
            c += static_cast<uint32_t>(int32_t(static_cast<Byte<A>>(a >> (8 * i))) *
                                       int32_t(static_cast<Byte<B>>(b >> (8 * i))));
        }
        return c;
    }
};
template <class A, class B> struct Dp2aLow {
    static uint32_t apply(uint32_t a, uint32_t b, uint32_t c) {
        for (int i = 0; i < 2; ++i) {
            c += static_cast<uint32_t>(int32_t(static_cast<HalfWord<A>>(a >> (16 * i))) *
                                       int32_t(static_cast<Byte<B>>(b >> (8 * i))));
        }
        return c;
    }
};
template <class A, class B> struct Dp2aHigh {
    static uint32_t apply(uint32_t a, uint32_t b, uint32_t c) {
        return Dp2aLow<A, B>::apply(a, b >> 16, c);
    }
};

struct Prmt {
    static uint32_t apply(uint32_t a, uint32_t b, uint32_t c) {
        const uint64_t bytes = (uint64_t(b) << 32) | a;
        uint32_t result = 0;
        for (int i = 0; i < 4; ++i) {
            const uint32_t selector = (c >> (4 * i)) & 0xf;
            auto byte = static_cast<uint32_t>(bytes >> (8 * (selector & 7))) & 0xff;
            if (selector & 8) byte = byte & 0x80 ? 0xff : 0;
            result |= byte << (8 * i);
        }
        return result;
    }
};
enum class PrmtMode { f4e, b4e, rc8, ecl, ecr, rc16 };
template <PrmtMode Mode> struct PrmtIn {
    static uint32_t apply(uint32_t a, uint32_t b, uint32_t c) {
        static constexpr uint32_t selectors[6][4] = {
            {0x3210, 0x4321, 0x5432, 0x6543}, {0x5670, 0x6701, 0x7012, 0x0123},
            {0x0000, 0x1111, 0x2222, 0x3333}, {0x3210, 0x3211, 0x3222, 0x3333},
            {0x0000, 0x1110, 0x2210, 0x3210}, {0x1010, 0x3232, 0x1010, 0x3232}};
        return Prmt::apply(a, b, selectors[static_cast<int>(Mode)][c & 3]);
    }
};
template <bool Left, bool Wrap> struct Funnel {
    static uint32_t apply(uint32_t a, uint32_t b, uint32_t c) {
        const uint32_t n = Wrap ? c & 31 : (c > 32 ? 32 : c);
        const uint64_t both = (uint64_t(b) << 32) | a;
        return Left ? static_cast<uint32_t>((both << n) >> 32) : static_cast<uint32_t>(both >> n);
    }
};

void lop3(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) uint32_t result[lanes];
    const uint32_t * a = warp.row<uint32_t>(inst.op[1]);
    const uint32_t * b = warp.row<uint32_t>(inst.op[2]);
    const uint32_t * c = warp.row<uint32_t>(inst.op[3]);
    const auto table = static_cast<uint32_t>(inst.imm);
    for (int i = 0; i < lanes; ++i) result[i] = 0;
    for (uint32_t k = 0; k < 8; ++k) {
        if (((table >> k) & 1) == 0) continue;
        const uint32_t x = k & 4 ? 0 : full_mask, y = k & 2 ? 0 : full_mask,
                       z = k & 1 ? 0 : full_mask;
        for (int i = 0; i < lanes; ++i) result[i] |= (a[i] ^ x) & (b[i] ^ y) & (c[i] ^ z);
    }
    blend(warp.row<uint32_t>(inst.op[0]), result, mask);
}

// `width` ones from bit `position` on.
template <bool Clamp> struct MaskOfBits {
    static uint32_t apply(uint32_t position, uint32_t width) {
        if (Clamp && position >= 32) return 0;
        const uint64_t ones = (uint64_t(1) << (Clamp ? (width < 32 ? width : 32) : width & 31)) - 1;
        return static_cast<uint32_t>(ones << (position & 31));
    }
};

template <class T> void bfi(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) T result[lanes];
    const T * a = warp.row<T>(inst.op[1]);
    const T * b = warp.row<T>(inst.op[2]);
    const uint32_t * c = warp.row<uint32_t>(inst.op[3]);
    const uint32_t * d = warp.row<uint32_t>(inst.op[4]);
    for (int i = 0; i < lanes; ++i) result[i] = Bfi::apply<T>(a[i], b[i], c[i], d[i]);
    blend(warp.row<T>(inst.op[0]), result, mask);
}

// imm of the handler below.
constexpr uint64_t reads_carry = 1, writes_carry = 2, subtracts = 4, multiplies = 8,
                   takes_high = 16;

// add.cc, addc, sub.cc, subc, mad.lo.cc, madc.
template <class T> void with_carry(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint64_t how = inst.imm;
    T * d = warp.row<T>(inst.op[0]);
    const T * a = warp.row<T>(inst.op[1]);
    const T * b = warp.row<T>(inst.op[2]);
    const T * c = how & multiplies ? warp.row<T>(inst.op[3]) : nullptr;
    for (const int lane : lanes_of(mask)) {
        const uint32_t bit = uint32_t(1) << lane;
        const uint128 carry = (how & reads_carry) != 0 && (warp.carry & bit) != 0;
        uint128 x = a[lane], y = b[lane];
        if (how & multiplies) {
            const uint128 product = x * y;
            x = static_cast<T>(how & takes_high ? product >> (8 * sizeof(T)) : product);
            y = c[lane];
        }
        const uint128 sum = how & subtracts ? x - y - carry : x + y + carry;
        if (how & writes_carry) {
            const bool out = ((sum >> (8 * sizeof(T))) & 1) != 0;
            warp.carry = out ? warp.carry | bit : warp.carry & ~bit;
        }
        d[lane] = static_cast<T>(sum);
    }
}

// One handler for each integer type: signed and unsigned of 16, 32 and 64 bits.
struct Six {
    Handler u16, s16, u32, s32, u64, s64;
    Handler of(Type type) const {
        switch (type) {
            case Type::u16: return u16;
            case Type::s16: return s16;
            case Type::u32: return u32;
            case Type::s32: return s32;
            case Type::u64: return u64;
            case Type::s64: return s64;
            default: return nullptr;
        }
    }
};

template <class F> constexpr Six unary_six() {
    return {unary<F, uint16_t, uint16_t>, unary<F, int16_t, int16_t>,
            unary<F, uint32_t, uint32_t>, unary<F, int32_t, int32_t>,
            unary<F, uint64_t, uint64_t>, unary<F, int64_t, int64_t>};
}
template <class F> constexpr Six binary_six() {
    return {binary<F, uint16_t, uint16_t, uint16_t>, binary<F, int16_t, int16_t, int16_t>,
            binary<F, uint32_t, uint32_t, uint32_t>, binary<F, int32_t, int32_t, int32_t>,
            binary<F, uint64_t, uint64_t, uint64_t>, binary<F, int64_t, int64_t, int64_t>};
}
template <class F> constexpr Six ternary_six() {
    return {ternary<F, uint16_t, uint16_t, uint16_t, uint16_t>,
            ternary<F, int16_t, int16_t, int16_t, int16_t>,
            ternary<F, uint32_t, uint32_t, uint32_t, uint32_t>,
            ternary<F, int32_t, int32_t, int32_t, int32_t>,
            ternary<F, uint64_t, uint64_t, uint64_t, uint64_t>,
            ternary<F, int64_t, int64_t, int64_t, int64_t>};
}
// Where signedness makes no difference one instance serves both.
template <class F> constexpr Six binary_three() {
    return {binary<F, uint16_t, uint16_t, uint16_t>, binary<F, uint16_t, uint16_t, uint16_t>,
            binary<F, uint32_t, uint32_t, uint32_t>, binary<F, uint32_t, uint32_t, uint32_t>,
            binary<F, uint64_t, uint64_t, uint64_t>, binary<F, uint64_t, uint64_t, uint64_t>};
}
template <class F> constexpr Six ternary_three() {
    return {ternary<F, uint16_t, uint16_t, uint16_t, uint16_t>,
            ternary<F, uint16_t, uint16_t, uint16_t, uint16_t>,
            ternary<F, uint32_t, uint32_t, uint32_t, uint32_t>,
            ternary<F, uint32_t, uint32_t, uint32_t, uint32_t>,
            ternary<F, uint64_t, uint64_t, uint64_t, uint64_t>,
            ternary<F, uint64_t, uint64_t, uint64_t, uint64_t>};
}

void emit(Decoding & d, Handler handler, Type type, size_t sources) {
    d.push_alike(sources, ptx::size_of(type));
    d.emit(handler, InstClass::integer);
}

template <class F> void emit_unary(Decoding & d) {
    const Type type = d.take_type();
    if (!ptx::is_signed(type)) d.fail("it is for signed types");
    emit(d, unary_six<F>().of(type), type, 1);
}

template <class F> void emit_binary(Decoding & d) {
    const Type type = d.take_type();
    emit(d, binary_six<F>().of(type), type, 2);
}

Handler carry_handler(Type type) {
    switch (ptx::size_of(type)) {
        case 4: return with_carry<uint32_t>;
        case 8: return with_carry<uint64_t>;
        default: return nullptr;
    }
}

// `flags` as with_carry() has them.
template <class F, class Saturating> void emit_sum(Decoding & d, uint64_t flags) {
    const Type type = d.take_type();
    if (d.take("cc")) flags |= writes_carry;
    if (flags & (reads_carry | writes_carry)) {
        emit(d, carry_handler(type), type, 2);
        d.imm(flags);
    } else if (d.take("sat")) {
        if (type != Type::s32) d.fail(".sat is for s32 alone");
        emit(d, binary<Saturating, int32_t, int32_t, int32_t>, type, 2);
    } else {
        emit(d, binary_three<F>().of(type), type, 2);
    }
}

// The forms with .wide: the result, and what is added, are twice as wide.
void emit_wide(Decoding & d, const Six & handlers, Type type, bool adds) {
    if (!d.take("wide")) d.fail("it needs .lo, .hi or .wide");
    const int bytes = ptx::size_of(type);
    if (bytes == 8) d.fail(".wide has no 64-bit form");
    d.expect_count(adds ? 4 : 3);
    d.push({d.destination(0, 2 * bytes), d.row(1, bytes), d.row(2, bytes)});
    if (adds) d.push(d.row(3, 2 * bytes));
    d.emit(handlers.of(type), InstClass::integer);
}

void emit_mad_with_carry(Decoding & d, Type type, uint64_t flags) {
    if (d.take("hi")) {
        flags |= takes_high;
        if (ptx::is_signed(type)) d.fail("the signed high product with carry is not carried out");
    } else if (!d.take("lo")) {
        d.fail("it needs .lo or .hi");
    }
    emit(d, carry_handler(type), type, 3);
    d.imm(flags);
}

void emit_mad(Decoding & d, uint64_t flags) {
    static constexpr Six wide = {ternary<MadWide, uint32_t, uint16_t, uint16_t, uint32_t>,
                                 ternary<MadWide, int32_t, int16_t, int16_t, int32_t>,
                                 ternary<MadWide, uint64_t, uint32_t, uint32_t, uint64_t>,
                                 ternary<MadWide, int64_t, int32_t, int32_t, int64_t>,
                                 nullptr,
                                 nullptr};
    const Type type = d.take_type();
    if (d.take("cc")) flags |= writes_carry;
    if (flags & (reads_carry | writes_carry)) return emit_mad_with_carry(d, type, flags);
    if (d.take("hi")) return emit(d, ternary_six<MadHigh>().of(type), type, 3);
    if (d.take("lo")) return emit(d, ternary_three<Mad>().of(type), type, 3);
    emit_wide(d, wide, type, true);
}

Type take_24_bit_type(Decoding & d) {
    const Type type = d.take_type();
    if (ptx::size_of(type) != 4 || !d.take("lo")) d.fail("only .lo of 32 bits is carried out");
    return type;
}

template <class F> Handler binary_by_width(Type type) {
    switch (ptx::size_of(type)) {
        case 2: return binary<F, uint16_t, uint16_t, uint16_t>;
        case 4: return binary<F, uint32_t, uint32_t, uint32_t>;
        case 8: return binary<F, uint64_t, uint64_t, uint64_t>;
        default: return nullptr;
    }
}

template <class F> Handler unary_by_width(Type type) {
    switch (ptx::size_of(type)) {
        case 2: return unary<F, uint16_t, uint16_t>;
        case 4: return unary<F, uint32_t, uint32_t>;
        case 8: return unary<F, uint64_t, uint64_t>;
        default: return nullptr;
    }
}

// Predicates hold a bit a lane. op: p, a, its flip, b, its flip.
template <class F> void predicate_logic(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint32_t a = warp.predicates[inst.op[1]] ^ inst.op[2];
    const uint32_t b = warp.predicates[inst.op[3]] ^ inst.op[4];
    set_predicate(warp, inst.op[0], F::template apply<uint32_t>(a, b), mask);
}

void predicate_not(Warp & warp, const Inst & inst, uint32_t mask) {
    set_predicate(warp, inst.op[0], ~(warp.predicates[inst.op[1]] ^ inst.op[2]), mask);
}

Type take_bits_type(Decoding & d) {
    const Type type = d.take_type();
    if (type != Type::b16 && type != Type::b32 && type != Type::b64) {
        d.fail("it is for untyped bits");
    }
    return type;
}

template <class F> void emit_logic(Decoding & d) {
    if (d.take("pred")) {
        d.expect_count(3);
        d.push(d.predicate(d.arg(0)));
        d.push_predicate(d.arg(1));
        d.push_predicate(d.arg(2));
        d.emit(predicate_logic<F>, InstClass::predicate);
        return;
    }
    const Type type = take_bits_type(d);
    emit(d, binary_by_width<F>(type), type, 2);
}

// A shift has no sign but to the right.
Type take_shifted_type(Decoding & d) {
    switch (const Type type = d.take_type()) {
        case Type::b16: return Type::u16;
        case Type::b32: return Type::u32;
        case Type::b64: return Type::u64;
        case Type::u16:
        case Type::s16:
        case Type::u32:
        case Type::s32:
        case Type::u64:
        case Type::s64: return type;
        default: d.fail("not a type to shift");
    }
}

void emit_shift(Decoding & d, const Six & handlers) {
    const Type type = take_shifted_type(d);
    const int bytes = ptx::size_of(type);
    d.expect_count(3);
    d.push({d.destination(0, bytes), d.row(1, bytes), d.row(2, 4)});
    d.emit(handlers.of(type), InstClass::integer);
}

// Of 32 or 64 bits.
Type take_word_type(Decoding & d) {
    const Type type = d.take_type();
    if (type != Type::b32 && type != Type::b64) d.fail("it is for b32 and b64");
    return type;
}

void need_b32(Decoding & d) {
    if (d.take_type() != Type::b32) d.fail("it is for b32");
}

void emit_count_of_bits(Decoding & d, Handler narrow, Handler wide) {
    const bool is_wide = take_word_type(d) == Type::b64;
    d.expect_count(2);
    d.push({d.destination(0, 4), d.row(1, is_wide ? 8 : 4)});
    d.emit(is_wide ? wide : narrow, InstClass::integer);
}

template <class F> constexpr Handler three_words() {
    return ternary<F, uint32_t, uint32_t, uint32_t, uint32_t>;
}

template <template <class, class> class F> Handler dot_product(bool a_signed, bool b_signed) {
    if (a_signed) return b_signed ? three_words<F<int, int>>() : three_words<F<int, unsigned>>();
    return b_signed ? three_words<F<unsigned, int>>() : three_words<F<unsigned, unsigned>>();
}

template <template <class, class> class F> void emit_dot_product(Decoding & d) {
    const Type a = d.take_type(), b = d.take_type();
    for (const Type type : {a, b}) {
        if (type != Type::u32 && type != Type::s32) d.fail("its types are u32 and s32");
    }
    emit(d, dot_product<F>(ptx::is_signed(a), ptx::is_signed(b)), Type::b32, 3);
}

}  // namespace

void integer_abs(Decoding & d) { emit_unary<Abs>(d); }
void integer_neg(Decoding & d) { emit_unary<Neg>(d); }
void integer_add(Decoding & d) { emit_sum<Add, AddSat>(d, 0); }
void integer_addc(Decoding & d) { emit_sum<Add, AddSat>(d, reads_carry); }
void integer_sub(Decoding & d) { emit_sum<Sub, SubSat>(d, subtracts); }
void integer_subc(Decoding & d) { emit_sum<Sub, SubSat>(d, subtracts | reads_carry); }
void integer_div(Decoding & d) { emit_binary<Div>(d); }
void integer_rem(Decoding & d) { emit_binary<Rem>(d); }
void integer_min(Decoding & d) { emit_binary<Min>(d); }
void integer_max(Decoding & d) { emit_binary<Max>(d); }
void integer_mad(Decoding & d) { emit_mad(d, multiplies); }
void integer_madc(Decoding & d) { emit_mad(d, multiplies | reads_carry); }

void integer_mul(Decoding & d) {
    static constexpr Six wide = {binary<MulWide, uint32_t, uint16_t, uint16_t>,
                                 binary<MulWide, int32_t, int16_t, int16_t>,
                                 binary<MulWide, uint64_t, uint32_t, uint32_t>,
                                 binary<MulWide, int64_t, int32_t, int32_t>,
                                 nullptr,
                                 nullptr};
    const Type type = d.take_type();
    if (d.take("lo")) return emit(d, binary_three<Mul>().of(type), type, 2);
    if (d.take("hi")) return emit(d, binary_six<MulHigh>().of(type), type, 2);
    emit_wide(d, wide, type, false);
}

void integer_mul24(Decoding & d) {
    const Type type = take_24_bit_type(d);
    emit(d, binary_six<Mul24Low>().of(type), type, 2);
}

void integer_mad24(Decoding & d) {
    const Type type = take_24_bit_type(d);
    emit(d, ternary_six<Mad24Low>().of(type), type, 3);
}

void integer_sad(Decoding & d) {
    const Type type = d.take_type();
    emit(d, ternary_six<Sad>().of(type), type, 3);
}

void decode_and(Decoding & d) { emit_logic<And>(d); }
void decode_or(Decoding & d) { emit_logic<Or>(d); }
void decode_xor(Decoding & d) { emit_logic<Xor>(d); }

void decode_not(Decoding & d) {
    if (d.take("pred")) {
        d.expect_count(2);
        d.push(d.predicate(d.arg(0)));
        d.push_predicate(d.arg(1));
        d.emit(predicate_not, InstClass::predicate);
        return;
    }
    const Type type = take_bits_type(d);
    emit(d, unary_by_width<Not>(type), type, 1);
}

void decode_cnot(Decoding & d) {
    const Type type = take_bits_type(d);
    emit(d, unary_by_width<Cnot>(type), type, 1);
}

void decode_shl(Decoding & d) {
    emit_shift(d, {binary<Shl, uint16_t, uint16_t, uint32_t>, nullptr,
                   binary<Shl, uint32_t, uint32_t, uint32_t>, nullptr,
                   binary<Shl, uint64_t, uint64_t, uint32_t>, nullptr});
}

void decode_shr(Decoding & d) {
    emit_shift(
        d, {binary<Shr, uint16_t, uint16_t, uint32_t>, binary<Shr, int16_t, int16_t, uint32_t>,
            binary<Shr, uint32_t, uint32_t, uint32_t>, binary<Shr, int32_t, int32_t, uint32_t>,
            binary<Shr, uint64_t, uint64_t, uint32_t>, binary<Shr, int64_t, int64_t, uint32_t>});
}

void decode_shf(Decoding & d) {
    const bool left = d.take("l");
    if (!left && !d.take("r")) d.fail("it needs .l or .r");
    const bool wraps = d.take("wrap");
    if (!wraps && !d.take("clamp")) d.fail("it needs .wrap or .clamp");
    need_b32(d);
    static constexpr Handler handlers[2][2] = {
        {three_words<Funnel<false, false>>(), three_words<Funnel<false, true>>()},
        {three_words<Funnel<true, false>>(), three_words<Funnel<true, true>>()}};
    emit(d, handlers[left][wraps], Type::b32, 3);
}

void decode_lop3(Decoding & d) {
    need_b32(d);
    d.expect_count(5);
    d.push({d.destination(0, 4), d.row(1, 4), d.row(2, 4), d.row(3, 4)});
    const int64_t table = d.need_constant(d.arg(4), "the table");
    if (table < 0 || table > 255) d.fail("the table is not within 0 to 255");
    d.imm(static_cast<uint64_t>(table));
    d.emit(lop3, InstClass::integer);
}

void decode_popc(Decoding & d) {
    emit_count_of_bits(d, unary<Popc32, uint32_t, uint32_t>, unary<Popc64, uint32_t, uint64_t>);
}

void decode_clz(Decoding & d) {
    emit_count_of_bits(d, unary<Clz32, uint32_t, uint32_t>, unary<Clz64, uint32_t, uint64_t>);
}

void decode_brev(Decoding & d) {
    const Type type = take_word_type(d);
    emit(d, unary_by_width<Brev>(type), type, 1);
}

void decode_bfind(Decoding & d) {
    static constexpr Six plain = {nullptr,
                                  nullptr,
                                  unary<Bfind<false>, uint32_t, uint32_t>,
                                  unary<Bfind<false>, uint32_t, int32_t>,
                                  unary<Bfind<false>, uint32_t, uint64_t>,
                                  unary<Bfind<false>, uint32_t, int64_t>};
    static constexpr Six amount = {nullptr,
                                   nullptr,
                                   unary<Bfind<true>, uint32_t, uint32_t>,
                                   unary<Bfind<true>, uint32_t, int32_t>,
                                   unary<Bfind<true>, uint32_t, uint64_t>,
                                   unary<Bfind<true>, uint32_t, int64_t>};
    const bool shift = d.take("shiftamt");
    const Type type = d.take_type();
    d.expect_count(2);
    d.push({d.destination(0, 4), d.row(1, ptx::size_of(type))});
    d.emit((shift ? amount : plain).of(type), InstClass::integer);
}

void decode_bfe(Decoding & d) {
    static constexpr Six handlers = {nullptr,
                                     nullptr,
                                     ternary<Bfe, uint32_t, uint32_t, uint32_t, uint32_t>,
                                     ternary<Bfe, int32_t, int32_t, uint32_t, uint32_t>,
                                     ternary<Bfe, uint64_t, uint64_t, uint32_t, uint32_t>,
                                     ternary<Bfe, int64_t, int64_t, uint32_t, uint32_t>};
    const Type type = d.take_type();
    const int bytes = ptx::size_of(type);
    d.expect_count(4);
    d.push({d.destination(0, bytes), d.row(1, bytes), d.row(2, 4), d.row(3, 4)});
    d.emit(handlers.of(type), InstClass::integer);
}

void decode_bfi(Decoding & d) {
    const int bytes = ptx::size_of(take_word_type(d));
    d.expect_count(5);
    d.push({d.destination(0, bytes), d.row(1, bytes), d.row(2, bytes), d.row(3, 4), d.row(4, 4)});
    d.emit(bytes == 4 ? Handler(bfi<uint32_t>) : Handler(bfi<uint64_t>), InstClass::integer);
}

void decode_bmsk(Decoding & d) {
    const bool clamps = d.take("clamp");
    if (!clamps && !d.take("wrap")) d.fail("it names neither .clamp nor .wrap");
    need_b32(d);
    emit(d,
         clamps ? Handler(binary<MaskOfBits<true>, uint32_t, uint32_t, uint32_t>)
                : Handler(binary<MaskOfBits<false>, uint32_t, uint32_t, uint32_t>),
         Type::b32, 2);
}

void decode_fns(Decoding & d) {
    need_b32(d);
    emit(d, ternary<Fns, uint32_t, uint32_t, uint32_t, int32_t>, Type::b32, 3);
}

void decode_prmt(Decoding & d) {
    static constexpr struct {
        std::string_view name;
        Handler handler;
    } modes[] = {
        {"f4e", three_words<PrmtIn<PrmtMode::f4e>>()},
        {"b4e", three_words<PrmtIn<PrmtMode::b4e>>()},
        {"rc8", three_words<PrmtIn<PrmtMode::rc8>>()},
        {"ecl", three_words<PrmtIn<PrmtMode::ecl>>()},
        {"ecr", three_words<PrmtIn<PrmtMode::ecr>>()},
        {"rc16", three_words<PrmtIn<PrmtMode::rc16>>()},
    };
    need_b32(d);
    Handler handler = three_words<Prmt>();
    for (const auto & mode : modes) {
        if (d.take(mode.name)) handler = mode.handler;
    }
    emit(d, handler, Type::b32, 3);
}

// The two types come in order, .atype then .btype.
void decode_dp4a(Decoding & d) { emit_dot_product<Dp4a>(d); }

void decode_dp2a(Decoding & d) {
    if (d.take("hi")) return emit_dot_product<Dp2aHigh>(d);
    if (!d.take("lo")) d.fail("it needs .lo or .hi");
    emit_dot_product<Dp2aLow>(d);
}

}  // namespace llamaproof::emulator
