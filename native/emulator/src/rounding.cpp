#include "rounding.h"

#include <algorithm>
#include <cfenv>
#include <cmath>

#include "reals.h"

namespace llamaproof::emulator {

namespace {

// Compiled with -frounding-math: no operation moves across a change of mode.
class Mode {
public:
    explicit Mode(uint64_t code) : before_(std::fegetround()) {
        static constexpr int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
        std::fesetround(modes[code & 3]);
    }
    ~Mode() { std::fesetround(before_); }
    Mode(const Mode &) = delete;
    Mode & operator=(const Mode &) = delete;

private:
    int before_;
};

template <class T> T compute(RoundedOp op, T a, T b, T c) {
    switch (op) {
        case RoundedOp::add: return a + b;
        case RoundedOp::sub: return a - b;
        case RoundedOp::mul: return a * b;
        case RoundedOp::div: return a / b;
        case RoundedOp::fma: return std::fma(a, b, c);
        case RoundedOp::rcp: return T(1) / a;
        case RoundedOp::sqrt: return std::sqrt(a);
    }
    return a;
}

float flush_if(bool flush, float x) { return flush ? flushed<true>(x) : x; }
double flush_if(bool, double x) { return x; }

template <class T, RoundedOp Op>
void apply_directed(Warp & warp, const Inst & inst, uint32_t mask) {
    const Mode mode(inst.imm);
    const bool ftz = inst.imm & 4, sat = inst.imm & 8;
    const size_t sources = sources_of(Op);
    T * d = warp.row<T>(inst.op[0]);
    const T * a = warp.row<T>(inst.op[1]);
    const T * b = sources > 1 ? warp.row<T>(inst.op[2]) : a;
    const T * c = sources > 2 ? warp.row<T>(inst.op[3]) : a;
    for (const int lane : lanes_of(mask)) {
        T value =
            compute<T>(Op, flush_if(ftz, a[lane]), flush_if(ftz, b[lane]), flush_if(ftz, c[lane]));
        value = canonical(flush_if(ftz, value));
        if (sat) value = value > T(0) ? (value < T(1) ? value : T(1)) : T(0);
        d[lane] = value;
    }
}

template <class T> Handler directed_of(RoundedOp op) {
    switch (op) {
        case RoundedOp::add: return apply_directed<T, RoundedOp::add>;
        case RoundedOp::sub: return apply_directed<T, RoundedOp::sub>;
        case RoundedOp::mul: return apply_directed<T, RoundedOp::mul>;
        case RoundedOp::div: return apply_directed<T, RoundedOp::div>;
        case RoundedOp::fma: return apply_directed<T, RoundedOp::fma>;
        case RoundedOp::rcp: return apply_directed<T, RoundedOp::rcp>;
        case RoundedOp::sqrt: return apply_directed<T, RoundedOp::sqrt>;
    }
    return nullptr;
}

double upper_word(double x) { return double_of(bits_of(x) & 0xffffffff00000000u); }

double flush_wide(double x) {
    return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0, x) : x;
}

}  // namespace

size_t sources_of(RoundedOp op) {
    switch (op) {
        case RoundedOp::fma: return 3;
        case RoundedOp::rcp:
        case RoundedOp::sqrt: return 1;
        default: return 2;
    }
}

Handler directed(RoundedOp op, bool wide) {
    return wide ? directed_of<double>(op) : directed_of<float>(op);
}

void coarse_reciprocal(Warp & warp, const Inst & inst, uint32_t mask) {
    for (const int lane : lanes_of(mask)) {
        const double a = flush_wide(upper_word(warp.row<double>(inst.op[1])[lane]));
        warp.row<double>(inst.op[0])[lane] = flush_wide(upper_word(canonical(1.0 / a)));
    }
}

void coarse_reciprocal_root(Warp & warp, const Inst & inst, uint32_t mask) {
    for (const int lane : lanes_of(mask)) {
        const double a = flush_wide(upper_word(warp.row<double>(inst.op[1])[lane]));
        warp.row<double>(inst.op[0])[lane] = upper_word(canonical(1.0 / std::sqrt(a)));
    }
}

long double rounded_to_integer(long double value, Rounding rounding) {
    switch (rounding) {
        case Rounding::toward_zero: return std::trunc(value);
        case Rounding::down: return std::floor(value);
        case Rounding::up: return std::ceil(value);
        case Rounding::nearest_away: return std::round(value);
        case Rounding::nearest_even: break;
    }
    const long double below = std::floor(value), rest = value - below;
    if (rest < 0.5L) return std::copysign(below, value);
    if (rest > 0.5L) return std::copysign(below + 1, value);
    return std::copysign(std::fmod(below, 2.0L) == 0 ? below : below + 1, value);
}

long double rounded_to(long double value, const Format & format, Rounding rounding) {
    if (value == 0 || !std::isfinite(value)) return value;
    int exponent = 0;
    std::frexp(value, &exponent);  // 0.5 <= m < 1
    const int last = std::max(exponent - 1, format.least) - (format.precision - 1);
    const long double rounded =
        std::ldexp(rounded_to_integer(std::ldexp(value, -last), rounding), last);
    const long double greatest =
        std::ldexp(2.0L - std::ldexp(1.0L, 1 - format.precision), format.greatest);
    if (std::fabs(rounded) <= greatest) return std::copysign(rounded, value);
    const bool stays = rounding == Rounding::toward_zero ||
                       (rounding == Rounding::down && value > 0) ||
                       (rounding == Rounding::up && value < 0);
    return std::copysign(stays ? greatest : static_cast<long double>(INFINITY), value);
}

}  // namespace llamaproof::emulator
