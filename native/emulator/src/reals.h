// Single pieces of the ISA's floating-point rules: flush to zero, saturation, the NaN that results
// carry, half formats.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace llamaproof::emulator {

inline uint32_t bits_of(float x) {
    uint32_t b;
    std::memcpy(&b, &x, 4);
    return b;
}
inline uint64_t bits_of(double x) {
    uint64_t b;
    std::memcpy(&b, &x, 8);
    return b;
}
inline float float_of(uint32_t b) {
    float x;
    std::memcpy(&x, &b, 4);
    return x;
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

inline float half_to_float(uint16_t h) {
#if defined(__F16C__)
    return _cvtsh_ss(h);
#else
    const uint32_t sign = uint32_t(h & 0x8000) << 16, exponent = (h >> 10) & 31,
                   fraction = h & 0x3ff;
    if (exponent == 31) {
        return float_of(sign | 0x7f800000u | (fraction << 13) | (fraction ? 0x400000u : 0));
    }
    if (exponent != 0) return float_of(sign | ((exponent + 112) << 23) | (fraction << 13));
    const float value = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -value : value;
#endif
}

// Round to nearest even; NaN becomes 0x7fff.
inline uint16_t float_to_half(float x) {
    if (x != x) return 0x7fff;
#if defined(__F16C__)
    return static_cast<uint16_t>(_cvtss_sh(x, 0));
#else
    const uint32_t b = bits_of(x), sign = (b >> 16) & 0x8000;
    const uint32_t magnitude = b & 0x7fffffffu;
    if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00);
    if (magnitude < 0x38800000u) {
        // Below the least normal half: a sum with 0.5 leaves the wanted bits at the bottom of the
        // fraction.
        const float shifted = float_of(magnitude) + 0.5f;
        return static_cast<uint16_t>(sign | (bits_of(shifted) - 0x3f000000u));
    }
    const uint32_t odd = (magnitude >> 13) & 1;
    return static_cast<uint16_t>(sign | ((magnitude - 0x38000000u + 0xfff + odd) >> 13));
#endif
}

inline float bfloat_to_float(uint16_t h) { return float_of(uint32_t(h) << 16); }

inline uint16_t float_to_bfloat(float x) {
    if (x != x) return 0x7fff;
    const uint32_t b = bits_of(x);
    return static_cast<uint16_t>((b + 0x7fff + ((b >> 16) & 1)) >> 16);
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
