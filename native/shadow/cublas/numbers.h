// f16 and bf16, converted as IEEE 754 has it: to nearest, ties to even.
#pragma once

#include <cstdint>
#include <cstring>

namespace shadow {

inline float from_bits(std::uint32_t bits) {
    float value = 0.0F;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline std::uint32_t to_bits(float value) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline float half_to_float(std::uint16_t half) {
    const std::uint32_t sign = (half & 0x8000U) << 16;
    const std::uint32_t exponent = (half >> 10) & 0x1FU;
    const std::uint32_t fraction = half & 0x3FFU;
    if (exponent == 31) {
        return from_bits(sign | 0x7F800000U | fraction << 13);
    }
    if (exponent == 0) {
        // 2^-24 for each unit of a subnormal's fraction.
        const float magnitude = static_cast<float>(fraction) * 5.9604644775390625e-8F;
        return sign != 0 ? -magnitude : magnitude;
    }
    return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

inline std::uint16_t float_to_half(float value) {
    const std::uint32_t bits = to_bits(value);
    const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000U);
    const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
    if (magnitude > 0x7F800000U) {
        return static_cast<std::uint16_t>(sign | 0x7E00U);
    }
    if (magnitude >= 0x477FF000U) {  // 65520 and above round to infinity
        return static_cast<std::uint16_t>(sign | 0x7C00U);
    }
    if (magnitude < 0x33000001U) {  // up to 2^-25 rounds to zero
        return sign;
    }
    const std::uint32_t exponent = magnitude >> 23;
    const std::uint32_t shift = exponent < 113 ? 126 - exponent : 13;
    std::uint32_t fraction = (magnitude & 0x7FFFFFU) | 0x800000U;
    const std::uint32_t base = exponent < 113 ? 0 : (exponent - 113) << 10;
    const std::uint32_t half_way = 1U << (shift - 1);
    const std::uint32_t rest = fraction & ((1U << shift) - 1);
    fraction >>= shift;
    if (rest > half_way || (rest == half_way && (fraction & 1U) != 0)) {
        ++fraction;
    }
    return static_cast<std::uint16_t>(sign | (base + fraction));
}

inline float bfloat_to_float(std::uint16_t value) {
    return from_bits(static_cast<std::uint32_t>(value) << 16);
}

inline std::uint16_t float_to_bfloat(float value) {
    const std::uint32_t bits = to_bits(value);
    if ((bits & 0x7FFFFFFFU) > 0x7F800000U) {
        return static_cast<std::uint16_t>(bits >> 16 | 0x40U);
    }
    return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

}  // namespace shadow
