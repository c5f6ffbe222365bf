// f32 and f64 arithmetic (PTX ISA, "Floating Point Instructions"). Every operation rounds once, as
// IEEE 754 has it; the approximate functions are more exact than the ISA asks.

#include "decode.h"
#include "reals.h"
#include "rounding.h"
#include "rows.h"

namespace llamaproof::emulator {

using ptx::Type;

namespace {

struct Add {
    template <class T> static T apply(T a, T b) { return a + b; }
};
struct Sub {
    template <class T> static T apply(T a, T b) { return a - b; }
};
struct Mul {
    template <class T> static T apply(T a, T b) { return a * b; }
};
struct Div {
    template <class T> static T apply(T a, T b) { return a / b; }
};
struct Fma {
    static float apply(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
    static double apply(double a, double b, double c) { return __builtin_fma(a, b, c); }
};
// A quiet NaN loses against a number; -0 is less than +0.
struct Min {
    static float apply(float a, float b) {
        const float lesser = a < b ? a : b < a ? b : float_of(bits_of(a) | bits_of(b));
        return a != a ? b : b != b ? a : lesser;
    }
    static double apply(double a, double b) {
        const double lesser = a < b ? a : b < a ? b : double_of(bits_of(a) | bits_of(b));
        return a != a ? b : b != b ? a : lesser;
    }
};
struct Max {
    static float apply(float a, float b) {
        const float greater = a > b ? a : b > a ? b : float_of(bits_of(a) & bits_of(b));
        return a != a ? b : b != b ? a : greater;
    }
    static double apply(double a, double b) {
        const double greater = a > b ? a : b > a ? b : double_of(bits_of(a) & bits_of(b));
        return a != a ? b : b != b ? a : greater;
    }
};
struct MinNan {
    static float apply(float a, float b) {
        return a != a || b != b ? float_of(0x7fffffffu) : Min::apply(a, b);
    }
};
struct MaxNan {
    static float apply(float a, float b) {
        return a != a || b != b ? float_of(0x7fffffffu) : Max::apply(a, b);
    }
};
// |b| beyond 2^126 gives zero, as the ISA says of div.approx.
struct DivApprox {
    static float apply(float a, float b) {
        const uint32_t magnitude = bits_of(b) & 0x7fffffffu;
        if (magnitude > 0x7e800000u && magnitude < 0x7f800000u && std::isfinite(a)) {
            return float_of((bits_of(a) ^ bits_of(b)) & 0x80000000u);
        }
        return a / b;
    }
};
struct Abs {
    static float apply(float a) { return float_of(bits_of(a) & 0x7fffffffu); }
};
struct Neg {
    static float apply(float a) { return float_of(bits_of(a) ^ 0x80000000u); }
};
struct AbsWide {
    static double apply(double a) { return double_of(bits_of(a) & 0x7fffffffffffffffu); }
};
struct NegWide {
    static double apply(double a) { return double_of(bits_of(a) ^ 0x8000000000000000u); }
};
struct Rcp {
    template <class T> static T apply(T a) { return T(1) / a; }
};
struct Sqrt {
    static float apply(float a) { return __builtin_sqrtf(a); }
    static double apply(double a) { return __builtin_sqrt(a); }
};
struct Rsqrt {
    static float apply(float a) {
        return static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(a)));
    }
    static double apply(double a) { return 1.0 / __builtin_sqrt(a); }
};
// 2^x = 2^n * 2^f, |f| <= 1/2, the second by its Taylor series: below 2^-23 relative, and the same
// bits anywhere.
struct Ex2 {
    static float apply(float x) {
        const float limited = x < -160.0f ? -160.0f : x > 130.0f ? 130.0f : x;
        const float shifted = limited + 12582912.0f;
        const auto n = static_cast<int32_t>(bits_of(shifted)) - 0x4b400000;
        const float f = limited - (shifted - 12582912.0f);
        float p = 1.5252734e-5f;
        p = __builtin_fmaf(p, f, 1.5403530e-4f);
        p = __builtin_fmaf(p, f, 1.3333558e-3f);
        p = __builtin_fmaf(p, f, 9.6181291e-3f);
        p = __builtin_fmaf(p, f, 5.5504109e-2f);
        p = __builtin_fmaf(p, f, 2.4022651e-1f);
        p = __builtin_fmaf(p, f, 6.9314718e-1f);
        p = __builtin_fmaf(p, f, 1.0f);
        const int32_t half = n >> 1;
        const float low = float_of(static_cast<uint32_t>(half + 127) << 23);
        const float high = float_of(static_cast<uint32_t>(n - half + 127) << 23);
        return x != x ? x : p * low * high;
    }
};
struct Lg2 {
    static float apply(float a) { return static_cast<float>(std::log2(static_cast<double>(a))); }
};
struct Sin {
    static float apply(float a) { return static_cast<float>(std::sin(static_cast<double>(a))); }
};
struct Cos {
    static float apply(float a) { return static_cast<float>(std::cos(static_cast<double>(a))); }
};
struct Tanh {
    static float apply(float a) { return static_cast<float>(std::tanh(static_cast<double>(a))); }
};
struct Copysign {
    static float apply(float a, float b) {
        return float_of((bits_of(b) & 0x7fffffffu) | (bits_of(a) & 0x80000000u));
    }
};
struct CopysignWide {
    static double apply(double a, double b) {
        return double_of((bits_of(b) & 0x7fffffffffffffffu) | (bits_of(a) & 0x8000000000000000u));
    }
};

// Wraps an operation in .ftz, .sat and the canonical NaN.
template <class F, bool Ftz, bool Sat> struct Single {
    static float apply(float a) {
        return saturated<Sat>(canonical(flushed<Ftz>(F::apply(flushed<Ftz>(a)))));
    }
    static float apply(float a, float b) {
        return saturated<Sat>(canonical(flushed<Ftz>(F::apply(flushed<Ftz>(a), flushed<Ftz>(b)))));
    }
    static float apply(float a, float b, float c) {
        return saturated<Sat>(
            canonical(flushed<Ftz>(F::apply(flushed<Ftz>(a), flushed<Ftz>(b), flushed<Ftz>(c)))));
    }
};
// abs and neg change the sign bit and nothing else, save for .ftz.
template <class F, bool Ftz> struct SignOnly {
    static float apply(float a) { return F::apply(flushed<Ftz>(a)); }
};
template <class F> struct Double {
    static double apply(double a) { return canonical(F::apply(a)); }
    static double apply(double a, double b) { return canonical(F::apply(a, b)); }
    static double apply(double a, double b, double c) { return canonical(F::apply(a, b, c)); }
};

struct Flags {
    bool ftz = false, sat = false;
    int rounding = 0;  // 0 rn, 1 rz, 2 rm, 3 rp
};

Flags take_flags(Decoding & d) {
    Flags flags;
    if (d.take("rz")) {
        flags.rounding = 1;
    } else if (d.take("rm")) {
        flags.rounding = 2;
    } else if (d.take("rp")) {
        flags.rounding = 3;
    } else {
        d.take("rn");
    }
    flags.ftz = d.take("ftz");
    flags.sat = d.take("sat");
    return flags;
}

template <class F> Handler unary_single(const Flags & f) {
    if (f.sat) return nullptr;
    return f.ftz ? Handler(unary<Single<F, true, false>, float, float>)
                 : Handler(unary<Single<F, false, false>, float, float>);
}
template <class F> Handler binary_single(const Flags & f) {
    if (f.sat) {
        return f.ftz ? Handler(binary<Single<F, true, true>, float, float, float>)
                     : Handler(binary<Single<F, false, true>, float, float, float>);
    }
    return f.ftz ? Handler(binary<Single<F, true, false>, float, float, float>)
                 : Handler(binary<Single<F, false, false>, float, float, float>);
}
template <class F> Handler ternary_single(const Flags & f) {
    if (f.sat) {
        return f.ftz ? Handler(ternary<Single<F, true, true>, float, float, float, float>)
                     : Handler(ternary<Single<F, false, true>, float, float, float, float>);
    }
    return f.ftz ? Handler(ternary<Single<F, true, false>, float, float, float, float>)
                 : Handler(ternary<Single<F, false, false>, float, float, float, float>);
}
template <class F> constexpr Handler binary_double() {
    return binary<Double<F>, double, double, double>;
}

void emit(Decoding & d, Handler handler, int bytes, size_t sources, InstClass cls) {
    d.expect_count(sources + 1);
    d.push(d.destination(0, bytes));
    for (size_t i = 1; i <= sources; ++i) d.push(d.row(i, bytes));
    d.emit(handler, cls);
}

bool emit_directed(Decoding & d, RoundedOp op, const Flags & flags, Type type) {
    if (flags.rounding == 0) return false;
    emit(d, directed(op, type == Type::f64), ptx::size_of(type), sources_of(op),
         type == Type::f64 ? InstClass::f64 : InstClass::f32);
    d.imm(static_cast<uint64_t>(flags.rounding) | (flags.ftz ? 4u : 0u) | (flags.sat ? 8u : 0u));
    return true;
}

bool decode_double(Decoding & d) {
    const std::string_view root = d.root();
    const bool approximate = d.take("approx");
    Flags flags = take_flags(d);
    d.take_type();
    if (flags.sat) d.fail("f64 has no .sat");
    if (approximate && flags.ftz && (root == "rcp" || root == "rsqrt")) {
        // The coarse double reciprocals keep the upper word alone.
        emit(d, root == "rcp" ? coarse_reciprocal : coarse_reciprocal_root, 8, 1,
             InstClass::special_function);
        return true;
    }
    if (approximate && root == "rsqrt") {
        emit(d, unary<Double<Rsqrt>, double, double>, 8, 1, InstClass::special_function);
        return true;
    }
    if (approximate || flags.ftz) d.fail("this form is not known");
    const auto two = [&](RoundedOp op, Handler nearest) {
        if (!emit_directed(d, op, flags, Type::f64)) emit(d, nearest, 8, 2, InstClass::f64);
    };
    if (root == "add") {
        two(RoundedOp::add, binary_double<Add>());
    } else if (root == "sub") {
        two(RoundedOp::sub, binary_double<Sub>());
    } else if (root == "mul") {
        two(RoundedOp::mul, binary_double<Mul>());
    } else if (root == "div") {
        two(RoundedOp::div, binary_double<Div>());
    } else if (root == "fma" || root == "mad") {
        if (!emit_directed(d, RoundedOp::fma, flags, Type::f64)) {
            emit(d, ternary<Double<Fma>, double, double, double, double>, 8, 3, InstClass::f64);
        }
    } else if (root == "rcp") {
        if (!emit_directed(d, RoundedOp::rcp, flags, Type::f64)) {
            emit(d, unary<Double<Rcp>, double, double>, 8, 1, InstClass::f64);
        }
    } else if (root == "sqrt") {
        if (!emit_directed(d, RoundedOp::sqrt, flags, Type::f64)) {
            emit(d, unary<Double<Sqrt>, double, double>, 8, 1, InstClass::f64);
        }
    } else if (root == "min") {
        emit(d, binary_double<Min>(), 8, 2, InstClass::f64);
    } else if (root == "max") {
        emit(d, binary_double<Max>(), 8, 2, InstClass::f64);
    } else if (root == "abs") {
        emit(d, unary<AbsWide, double, double>, 8, 1, InstClass::f64);
    } else if (root == "neg") {
        emit(d, unary<NegWide, double, double>, 8, 1, InstClass::f64);
    } else if (root == "copysign") {
        emit(d, binary<CopysignWide, double, double, double>, 8, 2, InstClass::f64);
    } else {
        return false;
    }
    return true;
}

bool decode_single(Decoding & d) {
    const std::string_view root = d.root();
    const bool approximate = d.take("approx");
    const bool full = d.take("full");
    const bool nan = d.take("NaN");
    const Flags flags = take_flags(d);
    d.take_type();
    if (nan && root != "min" && root != "max") d.fail(".NaN is for min and max");
    if ((approximate || full) && flags.rounding != 0) d.fail("a rounding mode beside .approx");
    if (full && root != "div") d.fail(".full is for div");
    constexpr InstClass arithmetic = InstClass::f32, special = InstClass::special_function;
    const auto two = [&](RoundedOp op, Handler nearest) {
        if (!emit_directed(d, op, flags, Type::f32)) emit(d, nearest, 4, 2, arithmetic);
    };
    const auto one = [&](RoundedOp op, Handler nearest) {
        if (!emit_directed(d, op, flags, Type::f32)) {
            emit(d, nearest, 4, 1, approximate ? special : arithmetic);
        }
    };
    const auto function = [&](Handler handler) {
        if (!approximate) d.fail("it needs .approx");
        emit(d, handler, 4, 1, special);
    };
    if (root == "add") {
        two(RoundedOp::add, binary_single<Add>(flags));
    } else if (root == "sub") {
        two(RoundedOp::sub, binary_single<Sub>(flags));
    } else if (root == "mul") {
        two(RoundedOp::mul, binary_single<Mul>(flags));
    } else if (root == "div") {
        if (flags.sat) d.fail("div has no .sat");
        if (approximate) {
            emit(d, binary_single<DivApprox>(flags), 4, 2, special);
        } else {
            two(RoundedOp::div, binary_single<Div>(flags));
        }
    } else if (root == "fma" || root == "mad") {
        if (!emit_directed(d, RoundedOp::fma, flags, Type::f32)) {
            emit(d, ternary_single<Fma>(flags), 4, 3, arithmetic);
        }
    } else if (root == "rcp") {
        one(RoundedOp::rcp, unary_single<Rcp>(flags));
    } else if (root == "sqrt") {
        one(RoundedOp::sqrt, unary_single<Sqrt>(flags));
    } else if (root == "rsqrt") {
        function(unary_single<Rsqrt>(flags));
    } else if (root == "ex2") {
        function(unary_single<Ex2>(flags));
    } else if (root == "lg2") {
        function(unary_single<Lg2>(flags));
    } else if (root == "sin") {
        function(unary_single<Sin>(flags));
    } else if (root == "cos") {
        function(unary_single<Cos>(flags));
    } else if (root == "tanh") {
        function(unary_single<Tanh>(flags));
    } else if (root == "min" || root == "max") {
        if (flags.sat || flags.rounding != 0) d.fail("this form is not known");
        const bool least = root == "min";
        emit(d,
             nan ? (least ? binary_single<MinNan>(flags) : binary_single<MaxNan>(flags))
                 : (least ? binary_single<Min>(flags) : binary_single<Max>(flags)),
             4, 2, arithmetic);
    } else if (root == "abs") {
        emit(d,
             flags.ftz ? Handler(unary<SignOnly<Abs, true>, float, float>)
                       : Handler(unary<SignOnly<Abs, false>, float, float>),
             4, 1, arithmetic);
    } else if (root == "neg") {
        emit(d,
             flags.ftz ? Handler(unary<SignOnly<Neg, true>, float, float>)
                       : Handler(unary<SignOnly<Neg, false>, float, float>),
             4, 1, arithmetic);
    } else if (root == "copysign") {
        emit(d, binary<Copysign, float, float, float>, 4, 2, arithmetic);
    } else {
        return false;
    }
    return true;
}

// testp: 0 finite, 1 infinite, 2 number, 3 notanumber, 4 normal, 5 subnormal.
template <class T> void test_property(Warp & warp, const Inst & inst, uint32_t mask) {
    const T * a = warp.row<T>(inst.op[1]);
    uint32_t bits = 0;
    for (int i = 0; i < lanes; ++i) {
        const int kind = std::fpclassify(a[i]);
        bool holds = false;
        switch (inst.imm) {
            case 0: holds = kind != FP_NAN && kind != FP_INFINITE; break;
            case 1: holds = kind == FP_INFINITE; break;
            case 2: holds = kind != FP_NAN; break;
            case 3: holds = kind == FP_NAN; break;
            case 4: holds = kind == FP_NORMAL; break;
            default: holds = kind == FP_SUBNORMAL; break;
        }
        bits |= static_cast<uint32_t>(holds) << i;
    }
    set_predicate(warp, inst.op[0], bits, mask);
}

}  // namespace

bool decode_real(Decoding & d) {
    static constexpr std::string_view roots[] = {
        "add", "sub", "mul", "div",  "fma", "mad", "rcp", "sqrt", "rsqrt",   "ex2",
        "lg2", "sin", "cos", "tanh", "min", "max", "abs", "neg",  "copysign"};
    const std::string_view root = d.root();
    if (root == "testp") {
        static constexpr std::string_view names[] = {"finite",     "infinite", "number",
                                                     "notanumber", "normal",   "subnormal"};
        uint64_t property = 6;
        for (uint64_t i = 0; i < 6; ++i) {
            if (d.take(names[i])) property = i;
        }
        if (property == 6) d.fail("it names no property");
        const Type type = d.take_type();
        if (type != Type::f32 && type != Type::f64) d.fail("it is for f32 and f64");
        d.expect_count(2);
        d.push({d.predicate(d.arg(0)), d.row(1, ptx::size_of(type))});
        d.imm(property);
        d.emit(type == Type::f32 ? Handler(test_property<float>) : Handler(test_property<double>),
               InstClass::predicate);
        return true;
    }
    bool mine = false;
    for (const std::string_view name : roots) mine = mine || name == root;
    if (!mine) return false;
    if (d.peek("f64") && !d.peek("f32")) return decode_double(d);
    if (d.peek("f32") && !d.peek("f64")) return decode_single(d);
    return false;
}

}  // namespace llamaproof::emulator
