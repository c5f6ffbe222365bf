// Arithmetic under the rounding modes .rz, .rm and .rp, and exact conversions: the slow, general
// paths.
#pragma once

#include "machine.h"

namespace llamaproof::emulator {

enum class RoundedOp { add, sub, mul, div, fma, rcp, sqrt };

// Handlers whose imm holds the mode (1 rz, 2 rm, 3 rp), plus 4 for .ftz and 8 for .sat.
Handler directed(RoundedOp op, bool wide);
size_t sources_of(RoundedOp op);

void coarse_reciprocal(Warp & warp, const Inst & inst, uint32_t mask);       // rcp.approx.ftz.f64
void coarse_reciprocal_root(Warp & warp, const Inst & inst, uint32_t mask);  // rsqrt.approx.ftz.f64

// A binary format: precision in bits (with the leading one), greatest and least normal exponent
// of 1.x * 2^e.
struct Format {
    int precision, greatest, least;
    bool has_infinity = true;
};
constexpr Format half_format{11, 15, -14, true};
constexpr Format bfloat_format{8, 127, -126, true};
constexpr Format single_format{24, 127, -126, true};
constexpr Format double_format{53, 1023, -1022, true};
constexpr Format tf32_format{11, 127, -126, true};

enum class Rounding : uint8_t { nearest_even, toward_zero, down, up, nearest_away };

// `value` rounded to the format, as a value.
long double rounded_to(long double value, const Format & format, Rounding rounding);
// `value` rounded to an integer.
long double rounded_to_integer(long double value, Rounding rounding);

}  // namespace llamaproof::emulator
