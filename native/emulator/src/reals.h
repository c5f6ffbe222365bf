// Single pieces of the ISA's floating-point rules: flush to zero, saturation, the NaN that results
// carry.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "common/half.h"

namespace llamaproof::emulator {

using llamaproof::bits_of;
using llamaproof::float_of;

inline uint64_t bits_of(double x) {
    uint64_t b;
    std::memcpy(&b, &x, 8);
    return b;
}
inline double double_of(uint64_t b) {
    double x;
    std::memcpy(&x, &b, 8);
    return x;
}

// Subnormals become zero of their sign.
template <bool Flush> inline float flushed(float x) {
    if constexpr (!Flush) return x;
    const uint32_t b = bits_of(x);
    return float_of((b & 0x7f800000u) == 0 ? b & 0x80000000u : b);
}

// The ISA's single-precision NaN result is 0x7fffffff ("NaN payloads are not preserved").
inline float canonical(float x) { return x != x ? float_of(0x7fffffffu) : x; }
inline double canonical(double x) { return x != x ? double_of(0x7fffffffffffffffu) : x; }

// .sat clamps to [0, 1]; NaN becomes 0.
template <bool Saturate> inline float saturated(float x) {
    if constexpr (!Saturate) return x;
    return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f;
}

// a * b + c with one rounding to odd, so that a later rounding to half or bfloat is correct. The
// product must be exact in float (it is for two halves).
inline float multiply_add_to_odd(float a, float b, float c) {
    const float p = a * b;
    const float s = p + c;
    // Knuth's two-sum: s + e is exactly p + c.
    const float t = s - p;
    const float e = (p - (s - t)) + (c - t);
    const uint32_t bits = bits_of(s);
    const bool inexact = e != 0.0f && (bits & 0x7f800000u) != 0x7f800000u;
    // An even neighbour moves to the odd one on the error's side.
    const bool away = (e > 0.0f) == (s > 0.0f);
    const uint32_t moved = (bits & 1) ? bits : (away ? bits | 1 : bits - 1);
    return float_of(inexact ? moved : bits);
}

// The same in double for bfloats, whose product can leave float's range.
inline float multiply_add_to_odd_wide(float a, float b, float c) {
    const double p = double(a) * double(b), s = p + double(c);
    const double t = s - p;
    const double e = (p - (s - t)) + (double(c) - t);
    uint64_t bits = bits_of(s);
    if (e != 0.0 && std::isfinite(s) && !(bits & 1)) {
        bits = (e > 0.0) == (s > 0.0) ? bits | 1 : bits - 1;
    }
    const double odd = double_of(bits);
    // Truncate to float, then set the last bit if anything was lost.
    float f = static_cast<float>(odd);
    if (!std::isfinite(odd)) return f;
    if (std::isinf(f)) return odd > 0 ? float_of(0x7f7fffffu) : float_of(0xff7fffffu);
    if (std::fabs(double(f)) > std::fabs(odd)) f = float_of(bits_of(f) - 1);
    if (double(f) != odd) f = float_of(bits_of(f) | 1);
    return f;
}

}  // namespace llamaproof::emulator
