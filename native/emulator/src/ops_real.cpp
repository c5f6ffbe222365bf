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
    static double apply(double a) { return double_of(bits_of(a) & 0x7fffffffffffffffu); }
};
struct Neg {
    static float apply(float a) { return float_of(bits_of(a) ^ 0x80000000u); }
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
template <class F, bool Ftz> struct SignOnly {
    static float apply(float a) { return F::apply(flushed<Ftz>(a)); }
};
template <class F> struct Double {
    static double apply(double a) { return canonical(F::apply(a)); }
    static double apply(double a, double b) { return canonical(F::apply(a, b)); }
    static double apply(double a, double b, double c) { return canonical(F::apply(a, b, c)); }
};

struct Form {
    bool wide = false;  // f64
    bool ftz = false, sat = false;
    int rounding = 0;  // 0 rn, 1 rz, 2 rm, 3 rp

    int bytes() const { return wide ? 8 : 4; }
    InstClass cls() const { return wide ? InstClass::f64 : InstClass::f32; }
};

int take_rounding(Decoding & d) {
    const auto mode = d.take_one_of({"rz", "rm", "rp", "rn"});
    if (mode == "rz") return 1;
    if (mode == "rm") return 2;
    return mode == "rp" ? 3 : 0;
}

Form take_form(Decoding & d) {
    Form form;
    form.rounding = take_rounding(d);
    form.ftz = d.take("ftz");
    form.sat = d.take("sat");
    form.wide = d.take_type() == Type::f64;
    if (form.wide && form.sat) d.fail("f64 has no .sat");
    return form;
}

// Of an operation that is exact or rounds to nearest alone.
Form take_unrounded_form(Decoding & d) {
    const Form form = take_form(d);
    if (form.sat || form.rounding != 0) d.fail("this form is not known");
    if (form.wide && form.ftz) d.fail("this form is not known");
    return form;
}

template <class F> Handler unary_single(const Form & f) {
    if (f.sat) return nullptr;
    return f.ftz ? Handler(unary<Single<F, true, false>, float, float>)
                 : Handler(unary<Single<F, false, false>, float, float>);
}
template <class F> Handler binary_single(const Form & f) {
    if (f.sat) {
        return f.ftz ? Handler(binary<Single<F, true, true>, float, float, float>)
                     : Handler(binary<Single<F, false, true>, float, float, float>);
    }
    return f.ftz ? Handler(binary<Single<F, true, false>, float, float, float>)
                 : Handler(binary<Single<F, false, false>, float, float, float>);
}
template <class F> Handler ternary_single(const Form & f) {
    if (f.sat) {
        return f.ftz ? Handler(ternary<Single<F, true, true>, float, float, float, float>)
                     : Handler(ternary<Single<F, false, true>, float, float, float, float>);
    }
    return f.ftz ? Handler(ternary<Single<F, true, false>, float, float, float, float>)
                 : Handler(ternary<Single<F, false, false>, float, float, float, float>);
}
template <class F> Handler unary_real(const Form & f) {
    return f.wide ? Handler(unary<Double<F>, double, double>) : unary_single<F>(f);
}
template <class F> Handler binary_real(const Form & f) {
    return f.wide ? Handler(binary<Double<F>, double, double, double>) : binary_single<F>(f);
}
template <class F> Handler ternary_real(const Form & f) {
    return f.wide ? Handler(ternary<Double<F>, double, double, double, double>)
                  : ternary_single<F>(f);
}

void emit(Decoding & d, Handler handler, const Form & form, size_t sources, InstClass cls) {
    d.push_alike(sources, form.bytes());
    d.emit(handler, cls);
}

// An operation that exists for every rounding mode; `nearest` is its handler for .rn.
void emit_rounded(Decoding & d, RoundedOp op, const Form & form, Handler nearest) {
    if (form.wide && form.ftz) d.fail("this form is not known");
    const bool is_directed = form.rounding != 0;
    emit(d, is_directed ? directed(op, form.wide) : nearest, form, sources_of(op), form.cls());
    if (is_directed) {
        d.imm(static_cast<uint64_t>(form.rounding) | (form.ftz ? 4u : 0u) | (form.sat ? 8u : 0u));
    }
}

template <class F> void emit_two(Decoding & d, RoundedOp op) {
    const Form form = take_form(d);
    emit_rounded(d, op, form, binary_real<F>(form));
}

// The forms with .approx, of f32 alone.
Form take_approximate_form(Decoding & d) {
    const Form form = take_form(d);
    if (form.wide) d.fail("this form is not known");
    if (form.rounding != 0) d.fail("a rounding mode beside .approx");
    return form;
}

template <class F> void emit_approximate(Decoding & d) {
    if (!d.take("approx")) d.fail("it needs .approx");
    const Form form = take_approximate_form(d);
    emit(d, unary_single<F>(form), form, 1, InstClass::special_function);
}

// rcp and sqrt.
template <class F> void emit_one(Decoding & d, RoundedOp op) {
    if (d.take("approx")) {
        const Form form = take_approximate_form(d);
        return emit(d, unary_single<F>(form), form, 1, InstClass::special_function);
    }
    const Form form = take_form(d);
    emit_rounded(d, op, form, unary_real<F>(form));
}

// The coarse double reciprocals, which keep the upper word alone.
bool emit_coarse(Decoding & d, Handler handler) {
    if (!d.peek("f64") || !d.peek("approx") || !d.peek("ftz")) return false;
    for (const char * word : {"f64", "approx", "ftz"}) d.take(word);
    d.push_alike(1, 8);
    d.emit(handler, InstClass::special_function);
    return true;
}

template <class F, class WithNan> void emit_extreme(Decoding & d) {
    const bool nan = d.take("NaN");
    const Form form = take_unrounded_form(d);
    if (nan && form.wide) d.fail("f64 has no .NaN");
    const Handler handler = nan ? binary_single<WithNan>(form) : binary_real<F>(form);
    emit(d, handler, form, 2, form.cls());
}

// abs and neg change the sign bit and nothing else, save for .ftz.
template <class F> void emit_sign(Decoding & d) {
    const Form form = take_unrounded_form(d);
    const Handler single = form.ftz ? Handler(unary<SignOnly<F, true>, float, float>)
                                    : Handler(unary<SignOnly<F, false>, float, float>);
    emit(d, form.wide ? Handler(unary<F, double, double>) : single, form, 1, form.cls());
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

void real_add(Decoding & d) { emit_two<Add>(d, RoundedOp::add); }
void real_sub(Decoding & d) { emit_two<Sub>(d, RoundedOp::sub); }
void real_mul(Decoding & d) { emit_two<Mul>(d, RoundedOp::mul); }
void real_sqrt(Decoding & d) { emit_one<Sqrt>(d, RoundedOp::sqrt); }
void real_ex2(Decoding & d) { emit_approximate<Ex2>(d); }
void real_lg2(Decoding & d) { emit_approximate<Lg2>(d); }
void real_sin(Decoding & d) { emit_approximate<Sin>(d); }
void real_cos(Decoding & d) { emit_approximate<Cos>(d); }
void real_tanh(Decoding & d) { emit_approximate<Tanh>(d); }
void real_min(Decoding & d) { emit_extreme<Min, MinNan>(d); }
void real_max(Decoding & d) { emit_extreme<Max, MaxNan>(d); }
void real_abs(Decoding & d) { emit_sign<Abs>(d); }
void real_neg(Decoding & d) { emit_sign<Neg>(d); }

void real_fma(Decoding & d) {
    const Form form = take_form(d);
    emit_rounded(d, RoundedOp::fma, form, ternary_real<Fma>(form));
}

void real_div(Decoding & d) {
    const bool approximate = d.take("approx"), full = d.take("full");
    const Form form = approximate || full ? take_approximate_form(d) : take_form(d);
    if (form.sat) d.fail("div has no .sat");
    if (approximate) {
        return emit(d, binary_single<DivApprox>(form), form, 2, InstClass::special_function);
    }
    emit_rounded(d, RoundedOp::div, form, binary_real<Div>(form));
}

void real_rcp(Decoding & d) {
    if (!emit_coarse(d, coarse_reciprocal)) emit_one<Rcp>(d, RoundedOp::rcp);
}

void real_rsqrt(Decoding & d) {
    if (emit_coarse(d, coarse_reciprocal_root)) return;
    if (!d.take("approx")) d.fail("it needs .approx");
    const Form form = take_unrounded_form(d);
    emit(d, unary_real<Rsqrt>(form), form, 1, InstClass::special_function);
}

void real_copysign(Decoding & d) {
    const Form form = take_unrounded_form(d);
    const Handler handler = form.wide ? Handler(binary<Copysign, double, double, double>)
                                      : Handler(binary<Copysign, float, float, float>);
    emit(d, handler, form, 2, form.cls());
}

void decode_testp(Decoding & d) {
    static constexpr std::string_view names[] = {"finite",     "infinite", "number",
                                                 "notanumber", "normal",   "subnormal"};
    uint64_t property = std::size(names);
    for (uint64_t i = 0; i < std::size(names); ++i) {
        if (d.take(names[i])) property = i;
    }
    if (property == std::size(names)) d.fail("it names no property");
    const Type type = d.take_type();
    if (type != Type::f32 && type != Type::f64) d.fail("it is for f32 and f64");
    d.expect_count(2);
    d.push({d.predicate(d.arg(0)), d.row(1, ptx::size_of(type))});
    d.imm(property);
    d.emit(type == Type::f32 ? Handler(test_property<float>) : Handler(test_property<double>),
           InstClass::predicate);
}

}  // namespace llamaproof::emulator
