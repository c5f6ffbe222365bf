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

template <class F, class H, bool Pair, int Sources>
void half_op(Warp & warp, const Inst & inst, uint32_t mask) {
    constexpr int n = Pair ? 2 * lanes : lanes;
    alignas(64) float a[n], b[n], c[n];
    alignas(64) uint16_t result[n];
    const bool flush = inst.imm & flush_bit;
    const auto fetch = [&](float * to, uint32_t offset) {
        const uint16_t * from = warp.row<uint16_t>(offset);
        if (flush) {
            alignas(64) uint16_t plain[n];
            for (int i = 0; i < n; ++i) plain[i] = H::flush(from[i]);
            H::widen(to, plain, n);
        } else {
            H::widen(to, from, n);
        }
    };
    fetch(a, inst.op[1]);
    if constexpr (Sources > 1) fetch(b, inst.op[2]);
    if constexpr (Sources > 2) fetch(c, inst.op[3]);
    for (int i = 0; i < n; ++i) {
        a[i] = F::apply(a[i], Sources > 1 ? b[i] : 0.0f, Sources > 2 ? c[i] : 0.0f);
    }
    if (inst.imm & saturate_bit) {
        for (int i = 0; i < n; ++i) a[i] = saturated<true>(a[i]);
    }
    if (inst.imm & relu_bit) {
        for (int i = 0; i < n; ++i) a[i] = a[i] < 0.0f ? 0.0f : a[i];
    }
    H::narrow(result, a, n);
    if (flush) {
        for (int i = 0; i < n; ++i) result[i] = H::flush(result[i]);
    }
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

struct Kind {
    bool bfloat, pair;
};

template <class F16, class FB, int Sources> Handler of(Kind kind) {
    if (kind.bfloat) {
        return kind.pair ? Handler(half_op<FB, BfloatRow, true, Sources>)
                         : Handler(half_op<FB, BfloatRow, false, Sources>);
    }
    return kind.pair ? Handler(half_op<F16, HalfRow, true, Sources>)
                     : Handler(half_op<F16, HalfRow, false, Sources>);
}

}  // namespace

bool decode_half(Decoding & d) {
    const std::string_view root = d.root();
    static constexpr std::string_view roots[] = {"add", "sub", "mul", "fma", "min",
                                                 "max", "abs", "neg", "ex2", "tanh"};
    bool mine = false;
    for (const std::string_view name : roots) mine = mine || name == root;
    if (!mine) return false;
    if (!d.peek("f16") && !d.peek("f16x2") && !d.peek("bf16") && !d.peek("bf16x2")) return false;
    const bool approximate = d.take("approx");
    d.take("rn");
    const bool nan = d.take("NaN");
    uint64_t flags = 0;
    if (d.take("ftz")) flags |= flush_bit;
    if (d.take("sat")) flags |= saturate_bit;
    if (d.take("relu")) flags |= relu_bit;
    const Type type = d.take_type();
    const Kind kind{type == Type::bf16 || type == Type::bf16x2,
                    type == Type::f16x2 || type == Type::bf16x2};
    const int bytes = kind.pair ? 4 : 2;
    Handler handler = nullptr;
    size_t sources = 2;
    InstClass cls = InstClass::f16;
    if (root == "add") {
        handler = of<Add, Add, 2>(kind);
    } else if (root == "sub") {
        handler = of<Sub, Sub, 2>(kind);
    } else if (root == "mul") {
        handler = of<MulExact, MulWide, 2>(kind);
    } else if (root == "fma") {
        handler = of<FmaExact, FmaWide, 3>(kind);
        sources = 3;
    } else if (root == "min") {
        handler = nan ? of<MinNan, MinNan, 2>(kind) : of<Min, Min, 2>(kind);
    } else if (root == "max") {
        handler = nan ? of<MaxNan, MaxNan, 2>(kind) : of<Max, Max, 2>(kind);
    } else {
        sources = 1;
        if (root == "abs") {
            handler = kind.pair ? Handler(sign_op<uint32_t, 0x80008000u, true>)
                                : Handler(sign_op<uint16_t, 0x8000u, true>);
        } else if (root == "neg") {
            handler = kind.pair ? Handler(sign_op<uint32_t, 0x80008000u, false>)
                                : Handler(sign_op<uint16_t, 0x8000u, false>);
        } else {
            if (!approximate) d.fail("it needs .approx");
            handler = root == "ex2" ? of<Ex2, Ex2, 1>(kind) : of<Tanh, Tanh, 1>(kind);
            cls = InstClass::special_function;
        }
        if (kind.bfloat && (root == "abs" || root == "neg") && (flags & flush_bit)) {
            d.fail("bf16 has no .ftz here");
        }
    }
    if (nan && root != "min" && root != "max") d.fail(".NaN is for min and max");
    if ((flags & relu_bit) && root != "fma") d.fail(".relu is for fma");
    d.expect_count(sources + 1);
    d.push(d.destination(0, bytes));
    for (size_t i = 1; i <= sources; ++i) d.push(d.row(i, bytes));
    d.imm(flags);
    d.emit(handler, cls);
    return true;
}

}  // namespace llamaproof::emulator
