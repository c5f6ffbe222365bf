// f16, f16x2, bf16 and bf16x2 arithmetic (PTX ISA, "Half Precision Floating Point Instructions").
// Values are widened to float; each result is rounded to its format once.

#include "decode.h"
#include "half_rows.h"
#include "reals.h"
#include "rows.h"

namespace llamaproof::emulator {

using ptx::Type;

namespace {

// imm of the handlers below.
constexpr uint64_t flush_bit = 1, saturate_bit = 2, relu_bit = 4;

struct Add {
    static float apply(float a, float b, float) { return a + b; }
};
struct Sub {
    static float apply(float a, float b, float) { return a - b; }
};
struct MulExact {
    static float apply(float a, float b, float) { return a * b; }
};
struct MulWide {
    static float apply(float a, float b, float) { return multiply_add_to_odd_wide(a, b, -0.0f); }
};
struct FmaExact {
    static float apply(float a, float b, float c) { return multiply_add_to_odd(a, b, c); }
};
struct FmaWide {
    static float apply(float a, float b, float c) { return multiply_add_to_odd_wide(a, b, c); }
};
struct Min {
    static float apply(float a, float b, float) {
        const float lesser = a < b ? a : b < a ? b : float_of(bits_of(a) | bits_of(b));
        return a != a ? b : b != b ? a : lesser;
    }
};
struct Max {
    static float apply(float a, float b, float) {
        const float greater = a > b ? a : b > a ? b : float_of(bits_of(a) & bits_of(b));
        return a != a ? b : b != b ? a : greater;
    }
};
struct MinNan {
    static float apply(float a, float b, float c) {
        return a != a || b != b ? float_of(0x7fffffffu) : Min::apply(a, b, c);
    }
};
struct MaxNan {
    static float apply(float a, float b, float c) {
        return a != a || b != b ? float_of(0x7fffffffu) : Max::apply(a, b, c);
    }
};
struct Ex2 {
    static float apply(float a, float, float) {
        return static_cast<float>(std::exp2(static_cast<double>(a)));
    }
};
struct Tanh {
    static float apply(float a, float, float) {
        return static_cast<float>(std::tanh(static_cast<double>(a)));
    }
};

// A row of halves, or of pairs of them, as floats.
template <class H, int N> void fetch(Warp & warp, uint32_t offset, bool flush, float (&to)[N]) {
    const uint16_t * from = warp.row<uint16_t>(offset);
    if (!flush) return H::widen(to, from, N);
    alignas(64) uint16_t plain[N];
    for (int i = 0; i < N; ++i) plain[i] = H::flush(from[i]);
    H::widen(to, plain, N);
}

template <class H, int N> void round_row(uint16_t (&to)[N], float (&from)[N], uint64_t flags) {
    if (flags & saturate_bit) {
        for (float & x : from) x = saturated<true>(x);
    }
    if (flags & relu_bit) {
        for (float & x : from) x = x < 0.0f ? 0.0f : x;
    }
    H::narrow(to, from, N);
    if (flags & flush_bit) {
        for (uint16_t & x : to) x = H::flush(x);
    }
}

template <class F, class H, bool Pair, int Sources>
void half_op(Warp & warp, const Inst & inst, uint32_t mask) {
    constexpr int n = Pair ? 2 * lanes : lanes;
    alignas(64) float a[n], b[n], c[n];
    alignas(64) uint16_t result[n];
    const bool flush = inst.imm & flush_bit;
    fetch<H>(warp, inst.op[1], flush, a);
    if constexpr (Sources > 1) fetch<H>(warp, inst.op[2], flush, b);
    if constexpr (Sources > 2) fetch<H>(warp, inst.op[3], flush, c);
    for (int i = 0; i < n; ++i) {
        a[i] = F::apply(a[i], Sources > 1 ? b[i] : 0.0f, Sources > 2 ? c[i] : 0.0f);
    }
    round_row<H>(result, a, inst.imm);
    if constexpr (Pair) {
        blend(warp.row<uint32_t>(inst.op[0]), reinterpret_cast<const uint32_t *>(result), mask);
    } else {
        blend(warp.row<uint16_t>(inst.op[0]), result, mask);
    }
}

// abs and neg: bits are cleared or flipped; imm bit 0 flushes.
template <class Word, Word Sign, bool Clear>
void sign_op(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) Word result[lanes];
    const Word * a = warp.row<Word>(inst.op[1]);
    for (int i = 0; i < lanes; ++i) {
        result[i] = Clear ? static_cast<Word>(a[i] & static_cast<Word>(~Sign))
                          : static_cast<Word>(a[i] ^ Sign);
    }
    if (inst.imm & flush_bit) {
        auto * halves = reinterpret_cast<uint16_t *>(result);
        for (size_t i = 0; i < lanes * sizeof(Word) / 2; ++i) halves[i] = HalfRow::flush(halves[i]);
    }
    blend(warp.row<Word>(inst.op[0]), result, mask);
}

struct Form {
    bool bfloat = false, pair = false;
    uint64_t flags = 0;

    int bytes() const { return pair ? 4 : 2; }
};

Form take_form(Decoding & d) {
    Form form;
    d.take("rn");
    if (d.take("ftz")) form.flags |= flush_bit;
    if (d.take("sat")) form.flags |= saturate_bit;
    const Type type = d.take_type();
    form.bfloat = type == Type::bf16 || type == Type::bf16x2;
    form.pair = type == Type::f16x2 || type == Type::bf16x2;
    return form;
}

// F16 is the operation on halves, FB that on bfloats.
template <class F16, class FB, int Sources> Handler handler_of(const Form & form) {
    if (form.bfloat) {
        return form.pair ? Handler(half_op<FB, BfloatRow, true, Sources>)
                         : Handler(half_op<FB, BfloatRow, false, Sources>);
    }
    return form.pair ? Handler(half_op<F16, HalfRow, true, Sources>)
                     : Handler(half_op<F16, HalfRow, false, Sources>);
}

template <class F16, class FB, int Sources>
void emit(Decoding & d, const Form & form, InstClass cls = InstClass::f16) {
    d.push_alike(Sources, form.bytes());
    d.imm(form.flags);
    d.emit(handler_of<F16, FB, Sources>(form), cls);
}

template <class F, class WithNan> void emit_extreme(Decoding & d) {
    const bool nan = d.take("NaN");
    const Form form = take_form(d);
    if (nan) return emit<WithNan, WithNan, 2>(d, form);
    emit<F, F, 2>(d, form);
}

template <class F> void emit_approximate(Decoding & d) {
    if (!d.take("approx")) d.fail("it needs .approx");
    emit<F, F, 1>(d, take_form(d), InstClass::special_function);
}

template <bool Clear> void emit_sign(Decoding & d) {
    const Form form = take_form(d);
    if (form.bfloat && (form.flags & flush_bit)) d.fail("bf16 has no .ftz here");
    d.push_alike(1, form.bytes());
    d.imm(form.flags);
    d.emit(form.pair ? Handler(sign_op<uint32_t, 0x80008000u, Clear>)
                     : Handler(sign_op<uint16_t, 0x8000u, Clear>),
           InstClass::f16);
}

}  // namespace

void half_add(Decoding & d) { emit<Add, Add, 2>(d, take_form(d)); }
void half_sub(Decoding & d) { emit<Sub, Sub, 2>(d, take_form(d)); }
void half_mul(Decoding & d) { emit<MulExact, MulWide, 2>(d, take_form(d)); }
void half_min(Decoding & d) { emit_extreme<Min, MinNan>(d); }
void half_max(Decoding & d) { emit_extreme<Max, MaxNan>(d); }
void half_abs(Decoding & d) { emit_sign<true>(d); }
void half_neg(Decoding & d) { emit_sign<false>(d); }
void half_ex2(Decoding & d) { emit_approximate<Ex2>(d); }
void half_tanh(Decoding & d) { emit_approximate<Tanh>(d); }

void half_fma(Decoding & d) {
    const bool relu = d.take("relu");
    Form form = take_form(d);
    if (relu) form.flags |= relu_bit;
    emit<FmaExact, FmaWide, 3>(d, form);
}

}  // namespace llamaproof::emulator
