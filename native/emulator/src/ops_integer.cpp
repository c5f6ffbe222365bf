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

template <class A, class B> struct Dp4a {
    static uint32_t apply(uint32_t a, uint32_t b, uint32_t c) {
        for (int i = 0; i < 4; ++i) {
            c += static_cast<uint32_t>(int32_t(static_cast<A>(a >> (8 * i))) *
                                       int32_t(static_cast<B>(b >> (8 * i))));
        }
        return c;
    }
};
template <class A, class B, bool High> struct Dp2a {
    static uint32_t apply(uint32_t a, uint32_t b, uint32_t c) {
        for (int i = 0; i < 2; ++i) {
            c += static_cast<uint32_t>(int32_t(static_cast<A>(a >> (16 * i))) *
                                       int32_t(static_cast<B>(b >> (8 * i + (High ? 16 : 0)))));
        }
        return c;
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

// add.cc, addc, sub.cc, subc, mad.lo.cc, madc: imm bit 0 reads the carry, bit 1 writes it, bit 2
// subtracts, bit 3 multiplies first, bit 4 takes the product's high half.
template <class T> void with_carry(Warp & warp, const Inst & inst, uint32_t mask) {
    const bool reads = inst.imm & 1, writes = inst.imm & 2, subtracts = inst.imm & 4,
               multiplies = inst.imm & 8;
    T * d = warp.row<T>(inst.op[0]);
    const T * a = warp.row<T>(inst.op[1]);
    const T * b = warp.row<T>(inst.op[2]);
    const T * c = multiplies ? warp.row<T>(inst.op[3]) : nullptr;
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
        const uint32_t bit = uint32_t(1) << lane;
        const uint128 carry = reads && (warp.carry & bit) ? 1 : 0;
        uint128 x = a[lane], y = b[lane];
        if (multiplies) {
            const uint128 product = uint128(a[lane]) * b[lane];
            x = static_cast<T>(inst.imm & 16 ? product >> (8 * sizeof(T)) : product);
            y = c[lane];
        }
        const uint128 sum = subtracts ? x - y - carry : x + y + carry;
        if (writes) {
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

void emit(Decoding & d, Handler handler, Type type, size_t sources,
          InstClass cls = InstClass::integer) {
    d.expect_count(sources + 1);
    const int bytes = ptx::size_of(type);
    d.push(d.destination(0, bytes));
    for (size_t i = 1; i <= sources; ++i) d.push(d.row(i, bytes));
    d.emit(handler, cls);
}

bool is_integer(Type type) {
    switch (type) {
        case Type::u16:
        case Type::s16:
        case Type::u32:
        case Type::s32:
        case Type::u64:
        case Type::s64: return true;
        default: return false;
    }
}

// add, sub, mul, mad, min and max exist for reals too: those belong to the other families.
bool names_integer(Decoding & d) {
    for (const char * name : {"u16", "s16", "u32", "s32", "u64", "s64"}) {
        if (d.peek(name)) return true;
    }
    return false;
}

Handler carry_handler(Type type) {
    return ptx::size_of(type) == 4   ? Handler(with_carry<uint32_t>)
           : ptx::size_of(type) == 8 ? Handler(with_carry<uint64_t>)
                                     : nullptr;
}

bool decode_arithmetic(Decoding & d) {
    const std::string_view root = d.root();
    const bool known = root == "add" || root == "sub" || root == "mul" || root == "mad" ||
                       root == "min" || root == "max" || root == "div" || root == "rem" ||
                       root == "abs" || root == "neg" || root == "sad" || root == "addc" ||
                       root == "subc" || root == "madc" || root == "mul24" || root == "mad24";
    if (!known || !names_integer(d)) return false;
    const Type type = d.take_type();
    const int bytes = ptx::size_of(type);
    if (root == "add" || root == "sub" || root == "addc" || root == "subc") {
        const bool subtract = root == "sub" || root == "subc";
        const bool reads = root == "addc" || root == "subc";
        const bool writes = d.take("cc");
        if (reads || writes) {
            emit(d, carry_handler(type), type, 2);
            d.imm((reads ? 1u : 0u) | (writes ? 2u : 0u) | (subtract ? 4u : 0u));
        } else if (d.take("sat")) {
            if (type != Type::s32) d.fail(".sat is for s32 alone");
            emit(d,
                 subtract ? Handler(binary<SubSat, int32_t, int32_t, int32_t>)
                          : Handler(binary<AddSat, int32_t, int32_t, int32_t>),
                 type, 2);
        } else {
            emit(d, (subtract ? binary_three<Sub>() : binary_three<Add>()).of(type), type, 2);
        }
    } else if (root == "mul") {
        if (d.take("lo")) {
            emit(d, binary_three<Mul>().of(type), type, 2);
        } else if (d.take("hi")) {
            emit(d, binary_six<MulHigh>().of(type), type, 2);
        } else if (d.take("wide")) {
            if (bytes == 8) d.fail(".wide has no 64-bit form");
            static constexpr Six wide = {binary<MulWide, uint32_t, uint16_t, uint16_t>,
                                         binary<MulWide, int32_t, int16_t, int16_t>,
                                         binary<MulWide, uint64_t, uint32_t, uint32_t>,
                                         binary<MulWide, int64_t, int32_t, int32_t>,
                                         nullptr,
                                         nullptr};
            d.expect_count(3);
            d.push({d.destination(0, 2 * bytes), d.row(1, bytes), d.row(2, bytes)});
            d.emit(wide.of(type), InstClass::integer);
        } else {
            d.fail("it needs .lo, .hi or .wide");
        }
    } else if (root == "mad" || root == "madc") {
        const bool reads = root == "madc";
        const bool writes = d.take("cc");
        const bool high = d.take("hi");
        if (reads || writes) {
            if (!high && !d.take("lo")) d.fail("it needs .lo or .hi");
            if (high && ptx::is_signed(type)) {
                d.fail("the signed high product with carry is not carried out");
            }
            emit(d, carry_handler(type), type, 3);
            d.imm((reads ? 1u : 0u) | (writes ? 2u : 0u) | 8u | (high ? 16u : 0u));
        } else if (high) {
            emit(d, ternary_six<MadHigh>().of(type), type, 3);
        } else if (d.take("lo")) {
            emit(d, ternary_three<Mad>().of(type), type, 3);
        } else if (d.take("wide")) {
            if (bytes == 8) d.fail(".wide has no 64-bit form");
            static constexpr Six wide = {ternary<MadWide, uint32_t, uint16_t, uint16_t, uint32_t>,
                                         ternary<MadWide, int32_t, int16_t, int16_t, int32_t>,
                                         ternary<MadWide, uint64_t, uint32_t, uint32_t, uint64_t>,
                                         ternary<MadWide, int64_t, int32_t, int32_t, int64_t>,
                                         nullptr,
                                         nullptr};
            d.expect_count(4);
            d.push({d.destination(0, 2 * bytes), d.row(1, bytes), d.row(2, bytes),
                    d.row(3, 2 * bytes)});
            d.emit(wide.of(type), InstClass::integer);
        } else {
            d.fail("it needs .lo, .hi or .wide");
        }
    } else if (root == "mul24" || root == "mad24") {
        if (bytes != 4 || !d.take("lo")) d.fail("only .lo of 32 bits is carried out");
        const bool is_signed = type == Type::s32;
        if (root == "mul24") {
            emit(d,
                 is_signed ? Handler(binary<Mul24Low, int32_t, int32_t, int32_t>)
                           : Handler(binary<Mul24Low, uint32_t, uint32_t, uint32_t>),
                 type, 2);
        } else {
            emit(d,
                 is_signed ? Handler(ternary<Mad24Low, int32_t, int32_t, int32_t, int32_t>)
                           : Handler(ternary<Mad24Low, uint32_t, uint32_t, uint32_t, uint32_t>),
                 type, 3);
        }
    } else if (root == "div") {
        emit(d, binary_six<Div>().of(type), type, 2);
    } else if (root == "rem") {
        emit(d, binary_six<Rem>().of(type), type, 2);
    } else if (root == "min") {
        emit(d, binary_six<Min>().of(type), type, 2);
    } else if (root == "max") {
        emit(d, binary_six<Max>().of(type), type, 2);
    } else if (root == "sad") {
        emit(d, ternary_six<Sad>().of(type), type, 3);
    } else {
        if (!ptx::is_signed(type)) d.fail("it is for signed types");
        emit(d, (root == "abs" ? unary_six<Abs>() : unary_six<Neg>()).of(type), type, 1);
    }
    return true;
}

template <class F> Handler by_width(Type type) {
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

// Operation 0 and, 1 or, 2 xor, 3 not, 4 copy.
void predicate_logic(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint32_t a = warp.predicates[inst.op[1]] ^ inst.op[2];
    uint32_t result = a;
    if (inst.imm < 3) {
        const uint32_t b = warp.predicates[inst.op[3]] ^ inst.op[4];
        result = inst.imm == 0 ? a & b : inst.imm == 1 ? a | b : a ^ b;
    } else if (inst.imm == 3) {
        result = ~a;
    }
    set_predicate(warp, inst.op[0], result, mask);
}

bool decode_logic(Decoding & d) {
    const std::string_view root = d.root();
    if (root == "and" || root == "or" || root == "xor" || root == "not" || root == "cnot") {
        if (d.take("pred")) {
            const bool one = root == "not";
            if (root == "cnot") d.fail("it has no predicate form");
            d.expect_count(one ? 2 : 3);
            d.push(d.predicate(d.arg(0)));
            d.push_predicate(d.arg(1));
            if (!one) d.push_predicate(d.arg(2));
            d.imm(root == "and" ? 0 : root == "or" ? 1 : root == "xor" ? 2 : 3);
            d.emit(predicate_logic, InstClass::predicate);
            return true;
        }
        const Type type = d.take_type();
        if (type != Type::b16 && type != Type::b32 && type != Type::b64) {
            d.fail("it is for untyped bits");
        }
        if (root == "not") {
            emit(d, unary_by_width<Not>(type), type, 1);
        } else if (root == "cnot") {
            emit(d, unary_by_width<Cnot>(type), type, 1);
        } else {
            emit(d,
                 root == "and"  ? by_width<And>(type)
                 : root == "or" ? by_width<Or>(type)
                                : by_width<Xor>(type),
                 type, 2);
        }
        return true;
    }
    if (root == "shl" || root == "shr") {
        Type type = d.take_type();
        const bool right = root == "shr";
        if (type == Type::b16) type = Type::u16;
        if (type == Type::b32) type = Type::u32;
        if (type == Type::b64) type = Type::u64;
        if (!is_integer(type)) d.fail("not a type to shift");
        static constexpr Six left_of = {binary<Shl, uint16_t, uint16_t, uint32_t>, nullptr,
                                        binary<Shl, uint32_t, uint32_t, uint32_t>, nullptr,
                                        binary<Shl, uint64_t, uint64_t, uint32_t>, nullptr};
        static constexpr Six right_of = {
            binary<Shr, uint16_t, uint16_t, uint32_t>, binary<Shr, int16_t, int16_t, uint32_t>,
            binary<Shr, uint32_t, uint32_t, uint32_t>, binary<Shr, int32_t, int32_t, uint32_t>,
            binary<Shr, uint64_t, uint64_t, uint32_t>, binary<Shr, int64_t, int64_t, uint32_t>};
        const int bytes = ptx::size_of(type);
        d.expect_count(3);
        d.push({d.destination(0, bytes), d.row(1, bytes), d.row(2, 4)});
        d.emit((right ? right_of : left_of).of(type), InstClass::integer);
        return true;
    }
    if (root == "shf") {
        const bool left = d.take("l");
        if (!left && !d.take("r")) d.fail("it needs .l or .r");
        const bool wraps = d.take("wrap");
        if (!wraps && !d.take("clamp")) d.fail("it needs .wrap or .clamp");
        const Type type = d.take_type();
        if (type != Type::b32) d.fail("it is for b32");
        emit(
            d,
            left
                ? (wraps
                       ? Handler(
                             ternary<Funnel<true, true>, uint32_t, uint32_t, uint32_t, uint32_t>)
                       : Handler(
                             ternary<Funnel<true, false>, uint32_t, uint32_t, uint32_t, uint32_t>))
                : (wraps ? Handler(
                               ternary<Funnel<false, true>, uint32_t, uint32_t, uint32_t, uint32_t>)
                         : Handler(ternary<Funnel<false, false>, uint32_t, uint32_t, uint32_t,
                                           uint32_t>)),
            type, 3);
        return true;
    }
    if (root == "lop3") {
        if (d.take_type() != Type::b32) d.fail("it is for b32");
        d.expect_count(5);
        d.push({d.destination(0, 4), d.row(1, 4), d.row(2, 4), d.row(3, 4)});
        const int64_t table = d.need_constant(d.arg(4), "the table");
        if (table < 0 || table > 255) d.fail("the table is not within 0 to 255");
        d.imm(static_cast<uint64_t>(table));
        d.emit(lop3, InstClass::integer);
        return true;
    }
    return false;
}

template <PrmtMode Mode> constexpr Handler prmt_in() {
    return ternary<PrmtIn<Mode>, uint32_t, uint32_t, uint32_t, uint32_t>;
}

bool decode_bits(Decoding & d) {
    const std::string_view root = d.root();
    if (root == "popc" || root == "clz") {
        const Type type = d.take_type();
        if (type != Type::b32 && type != Type::b64) d.fail("it is for b32 and b64");
        const bool wide = type == Type::b64;
        d.expect_count(2);
        d.push({d.destination(0, 4), d.row(1, wide ? 8 : 4)});
        if (root == "popc") {
            d.emit(wide ? Handler(unary<Popc64, uint32_t, uint64_t>)
                        : Handler(unary<Popc32, uint32_t, uint32_t>),
                   InstClass::integer);
        } else {
            d.emit(wide ? Handler(unary<Clz64, uint32_t, uint64_t>)
                        : Handler(unary<Clz32, uint32_t, uint32_t>),
                   InstClass::integer);
        }
        return true;
    }
    if (root == "brev") {
        const Type type = d.take_type();
        if (type != Type::b32 && type != Type::b64) d.fail("it is for b32 and b64");
        emit(d, unary_by_width<Brev>(type), type, 1);
        return true;
    }
    if (root == "bfind") {
        const bool shift = d.take("shiftamt");
        const Type type = d.take_type();
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
        d.expect_count(2);
        d.push({d.destination(0, 4), d.row(1, ptx::size_of(type))});
        d.emit((shift ? amount : plain).of(type), InstClass::integer);
        return true;
    }
    if (root == "bfe") {
        const Type type = d.take_type();
        static constexpr Six of = {nullptr,
                                   nullptr,
                                   ternary<Bfe, uint32_t, uint32_t, uint32_t, uint32_t>,
                                   ternary<Bfe, int32_t, int32_t, uint32_t, uint32_t>,
                                   ternary<Bfe, uint64_t, uint64_t, uint32_t, uint32_t>,
                                   ternary<Bfe, int64_t, int64_t, uint32_t, uint32_t>};
        const int bytes = ptx::size_of(type);
        d.expect_count(4);
        d.push({d.destination(0, bytes), d.row(1, bytes), d.row(2, 4), d.row(3, 4)});
        d.emit(of.of(type), InstClass::integer);
        return true;
    }
    if (root == "bfi") {
        const Type type = d.take_type();
        if (type != Type::b32 && type != Type::b64) d.fail("it is for b32 and b64");
        const int bytes = ptx::size_of(type);
        d.expect_count(5);
        d.push(
            {d.destination(0, bytes), d.row(1, bytes), d.row(2, bytes), d.row(3, 4), d.row(4, 4)});
        d.emit(bytes == 4 ? Handler(bfi<uint32_t>) : Handler(bfi<uint64_t>), InstClass::integer);
        return true;
    }
    if (root == "bmsk") {
        const bool clamps = d.take("clamp");
        if (!clamps && !d.take("wrap")) d.fail("it names neither .clamp nor .wrap");
        if (d.take_type() != Type::b32) d.fail("it is for b32");
        d.expect_count(3);
        d.push({d.destination(0, 4), d.row(1, 4), d.row(2, 4)});
        d.emit(clamps ? Handler(binary<MaskOfBits<true>, uint32_t, uint32_t, uint32_t>)
                      : Handler(binary<MaskOfBits<false>, uint32_t, uint32_t, uint32_t>),
               InstClass::integer);
        return true;
    }
    if (root == "fns") {
        if (d.take_type() != Type::b32) d.fail("it is for b32");
        emit(d, ternary<Fns, uint32_t, uint32_t, uint32_t, int32_t>, Type::b32, 3);
        return true;
    }
    if (root == "prmt") {
        if (d.take_type() != Type::b32) d.fail("it is for b32");
        static constexpr struct {
            std::string_view name;
            Handler handler;
        } modes[] = {{"f4e", prmt_in<PrmtMode::f4e>()}, {"b4e", prmt_in<PrmtMode::b4e>()},
                     {"rc8", prmt_in<PrmtMode::rc8>()}, {"ecl", prmt_in<PrmtMode::ecl>()},
                     {"ecr", prmt_in<PrmtMode::ecr>()}, {"rc16", prmt_in<PrmtMode::rc16>()}};
        Handler handler = ternary<Prmt, uint32_t, uint32_t, uint32_t, uint32_t>;
        for (const auto & mode : modes) {
            if (d.take(mode.name)) handler = mode.handler;
        }
        emit(d, handler, Type::b32, 3);
        return true;
    }
    if (root == "dp4a" || root == "dp2a") {
        // The two types come in order, .atype then .btype; the opcode's text tells them apart.
        const std::string & opcode = d.statement().opcode;
        const bool a_signed =
            opcode.find(".s32") != std::string::npos &&
            (opcode.find(".u32") == std::string::npos || opcode.find(".s32") < opcode.find(".u32"));
        const Type first = d.take_type();
        const Type second = d.take_type();
        if (ptx::size_of(first) != 4 || ptx::size_of(second) != 4) {
            d.fail("its types are u32 and s32");
        }
        const bool same = first == second;
        const bool b_signed = same ? a_signed : !a_signed;
        const int index = (a_signed ? 2 : 0) + (b_signed ? 1 : 0);
        if (root == "dp4a") {
            static constexpr Handler of[4] = {
                ternary<Dp4a<uint8_t, uint8_t>, uint32_t, uint32_t, uint32_t, uint32_t>,
                ternary<Dp4a<uint8_t, int8_t>, uint32_t, uint32_t, uint32_t, uint32_t>,
                ternary<Dp4a<int8_t, uint8_t>, uint32_t, uint32_t, uint32_t, uint32_t>,
                ternary<Dp4a<int8_t, int8_t>, uint32_t, uint32_t, uint32_t, uint32_t>};
            emit(d, of[index], Type::b32, 3);
        } else {
            const bool high = d.take("hi");
            if (!high && !d.take("lo")) d.fail("it needs .lo or .hi");
            static constexpr Handler low_of[4] = {
                ternary<Dp2a<uint16_t, uint8_t, false>, uint32_t, uint32_t, uint32_t, uint32_t>,
                ternary<Dp2a<uint16_t, int8_t, false>, uint32_t, uint32_t, uint32_t, uint32_t>,
                ternary<Dp2a<int16_t, uint8_t, false>, uint32_t, uint32_t, uint32_t, uint32_t>,
                ternary<Dp2a<int16_t, int8_t, false>, uint32_t, uint32_t, uint32_t, uint32_t>};
            static constexpr Handler high_of[4] = {
                ternary<Dp2a<uint16_t, uint8_t, true>, uint32_t, uint32_t, uint32_t, uint32_t>,
                ternary<Dp2a<uint16_t, int8_t, true>, uint32_t, uint32_t, uint32_t, uint32_t>,
                ternary<Dp2a<int16_t, uint8_t, true>, uint32_t, uint32_t, uint32_t, uint32_t>,
                ternary<Dp2a<int16_t, int8_t, true>, uint32_t, uint32_t, uint32_t, uint32_t>};
            emit(d, (high ? high_of : low_of)[index], Type::b32, 3);
        }
        return true;
    }
    return false;
}

}  // namespace

bool decode_integer(Decoding & d) {
    return decode_arithmetic(d) || decode_logic(d) || decode_bits(d);
}

}  // namespace llamaproof::emulator
