// f16 and bf16 to f32 and back, as IEEE 754 has it: to nearest, ties to even. Every library of this
// folder converts here.
//
// NaN: narrowing gives 0x7fff whatever the sign and payload, as the PTX ISA's cvt does. Widening
// gives a NaN of the same sign and payload, made quiet.
#pragma once

#include <cstdint>
#include <cstring>
#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace llamaproof {

constexpr std::uint16_t narrow_nan = 0x7fff;

inline std::uint32_t bits_of(float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}

inline float float_of(std::uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

inline float half_to_float(std::uint16_t half) {
#if defined(__F16C__)
    return _cvtsh_ss(half);
#else
    const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
    const std::uint32_t exponent = (half >> 10) & 31, fraction = half & 0x3ff;
    if (exponent == 31) {
        const std::uint32_t quiet = fraction != 0 ? 0x400000u : 0;
        return float_of(sign | 0x7f800000u | fraction << 13 | quiet);
    }
    if (exponent != 0) return float_of(sign | (exponent + 112) << 23 | fraction << 13);
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
#endif
}

inline std::uint16_t float_to_half(float x) {
    if (x != x) return narrow_nan;
#if defined(__F16C__)
    return static_cast<std::uint16_t>(_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT));
#else
    const std::uint32_t sign = (bits_of(x) >> 16) & 0x8000, magnitude = bits_of(x) & 0x7fffffffu;
    // 65520 and above round to infinity.
    if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00);
    if (magnitude < 0x38800000u) {
        // Below the least normal half: a sum with 0.5 leaves the wanted bits at the bottom of the
        // fraction.
        const float shifted = float_of(magnitude) + 0.5f;
        return static_cast<std::uint16_t>(sign | (bits_of(shifted) - 0x3f000000u));
    }
    const std::uint32_t odd = (magnitude >> 13) & 1;
    return static_cast<std::uint16_t>(sign | (magnitude - 0x38000000u + 0xfff + odd) >> 13);
#endif
}

inline float bfloat_to_float(std::uint16_t bfloat) {
    const float x = float_of(static_cast<std::uint32_t>(bfloat) << 16);
    return x != x ? float_of(bits_of(x) | 0x400000u) : x;
}

inline std::uint16_t float_to_bfloat(float x) {
    if (x != x) return narrow_nan;
    const std::uint32_t bits = bits_of(x);
    return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

}  // namespace llamaproof
