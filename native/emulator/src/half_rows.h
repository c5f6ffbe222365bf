// Whole rows of halves and bfloats to float and back.
#pragma once

#include "common/half.h"

namespace llamaproof::emulator {

struct HalfRow {
    static uint16_t flush(uint16_t h) {
        return static_cast<uint16_t>((h & 0x7c00) == 0 ? h & 0x8000 : h);
    }
    static void widen(float * to, const uint16_t * from, int n) {
#if defined(__F16C__)
        for (int i = 0; i < n; i += 8) {
            _mm256_storeu_ps(
                to + i,
                _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i *>(from + i))));
        }
#else
        for (int i = 0; i < n; ++i) to[i] = half_to_float(from[i]);
#endif
    }
    static void narrow(uint16_t * to, const float * from, int n) {
#if defined(__F16C__)
        for (int i = 0; i < n; i += 8) {
            _mm_storeu_si128(reinterpret_cast<__m128i *>(to + i),
                             _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
        }
        for (int i = 0; i < n; ++i) to[i] = (to[i] & 0x7fff) > 0x7c00 ? narrow_nan : to[i];
#else
        for (int i = 0; i < n; ++i) to[i] = float_to_half(from[i]);
#endif
    }
};

struct BfloatRow {
    static uint16_t flush(uint16_t h) {
        return static_cast<uint16_t>((h & 0x7f80) == 0 ? h & 0x8000 : h);
    }
    static void widen(float * to, const uint16_t * from, int n) {
        for (int i = 0; i < n; ++i) to[i] = bfloat_to_float(from[i]);
    }
    static void narrow(uint16_t * to, const float * from, int n) {
        for (int i = 0; i < n; ++i) to[i] = float_to_bfloat(from[i]);
    }
};

}  // namespace llamaproof::emulator
