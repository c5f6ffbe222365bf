"""Floating point in rational numbers: what a value is, and what rounding it gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, kw_only=True)
class Format:
    """A binary interchange format: bits in all, bits of the fraction."""

    bits: int
    fraction: int

    @property
    def bias(self) -> int:
        return (1 << (self.bits - self.fraction - 2)) - 1

    @property
    def top(self) -> int:
        return (1 << (self.bits - self.fraction - 1)) - 1


HALF = Format(bits=16, fraction=10)
BFLOAT = Format(bits=16, fraction=7)
SINGLE = Format(bits=32, fraction=23)
DOUBLE = Format(bits=64, fraction=52)


def value_of(bits: int, fmt: Format) -> Fraction | float:
    """The number some bits stand for; infinities and NaN as floats."""
    sign = -1 if bits >> (fmt.bits - 1) else 1
    exponent = (bits >> fmt.fraction) & fmt.top
    fraction = bits & ((1 << fmt.fraction) - 1)
    if exponent == fmt.top:
        return math.nan if fraction else sign * math.inf
    if exponent == 0:
        return sign * Fraction(fraction, 1 << fmt.fraction) * Fraction(2) ** (1 - fmt.bias)
    return (
        sign
        * Fraction((1 << fmt.fraction) + fraction, 1 << fmt.fraction)
        * Fraction(2) ** (exponent - fmt.bias)
    )


def round_integer(value: Fraction, mode: str) -> int:
    """`value` to an integer: rn (ties to even), rz, rm (down), rp (up), rna (ties away)."""
    below = math.floor(value)
    rest = value - below
    if mode == "rm":
        return below
    if mode == "rp":
        return below if rest == 0 else below + 1
    if mode == "rz":
        return below if value >= 0 or rest == 0 else below + 1
    if rest != Fraction(1, 2):
        return below if rest < Fraction(1, 2) else below + 1
    if mode == "rna":
        return below + 1 if value > 0 else below
    return below if below % 2 == 0 else below + 1


def round_to(value: Fraction, fmt: Format, mode: str = "rn", *, negative_zero: bool = False) -> int:
    """The bits of `value` rounded to a format."""
    sign = 1 << (fmt.bits - 1) if value < 0 or (value == 0 and negative_zero) else 0
    if value == 0:
        return sign
    magnitude = abs(value)
    exponent = _floor_log2(magnitude)
    last = max(exponent, 1 - fmt.bias) - fmt.fraction
    scaled = round_integer(value / Fraction(2) ** last, mode)
    rounded = abs(scaled)
    if rounded == 0:
        return sign
    if rounded >= 1 << (fmt.fraction + 1):
        rounded, last = rounded >> 1, last + 1
    if rounded < 1 << fmt.fraction:
        return sign | rounded
    biased = last + fmt.fraction + fmt.bias
    if biased >= fmt.top:
        stays = mode == "rz" or (mode == "rm" and value > 0) or (mode == "rp" and value < 0)
        if stays:
            return sign | ((fmt.top << fmt.fraction) - 1)
        return sign | (fmt.top << fmt.fraction)
    return sign | (biased << fmt.fraction) | (rounded - (1 << fmt.fraction))


def _floor_log2(value: Fraction) -> int:
    guess = value.numerator.bit_length() - value.denominator.bit_length()
    return guess if Fraction(2) ** guess <= value else guess - 1
