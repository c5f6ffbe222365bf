// What native/common/half.h says, and a digest of all it can be asked, to compare two builds by.

#include "common/half.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <limits>

#include "half_rows.h"

using namespace llamaproof;

namespace {

void check(bool holds, const char * what, std::uint32_t bits) {
    if (holds) return;
    std::printf("wrong: %s at %08x\n", what, bits);
    std::exit(1);
}

bool is_nan_half(std::uint32_t bits) { return (bits & 0x7fff) > 0x7c00; }
bool is_nan_bfloat(std::uint32_t bits) { return (bits & 0x7fff) > 0x7f80; }

void every_number_survives_the_way_to_float_and_back() {
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
        const auto narrow = static_cast<std::uint16_t>(bits);
        const auto half = float_to_half(half_to_float(narrow));
        check(half == (is_nan_half(bits) ? narrow_nan : narrow), "a half", bits);
        const auto bfloat = float_to_bfloat(bfloat_to_float(narrow));
        check(bfloat == (is_nan_bfloat(bits) ? narrow_nan : narrow), "a bfloat", bits);
    }
}

void what_lies_between_two_halves_goes_to_the_nearer_and_a_tie_to_the_even_one() {
    for (std::uint32_t bits = 0; bits < 0x7bff; ++bits) {
        const double low = half_to_float(static_cast<std::uint16_t>(bits));
        const double high = half_to_float(static_cast<std::uint16_t>(bits + 1));
        const auto middle = static_cast<float>((low + high) / 2);
        check(float_to_half(middle) == bits + bits % 2, "a tie", bits);
        check(float_to_half(std::nextafter(middle, 0.0f)) == bits, "below a tie", bits);
        check(float_to_half(std::nextafter(middle, 1e9f)) == bits + 1, "above a tie", bits);
    }
    check(float_to_half(65519.99f) == 0x7bff, "the greatest half", 0);
    check(float_to_half(65520.0f) == 0x7c00, "infinity", 0);
    check(float_to_half(-1e30f) == 0xfc00, "negative infinity", 0);
}

void a_nan_has_one_narrow_form_and_is_quiet_when_widened() {
    for (const std::uint32_t bits : {0x7f800001u, 0x7fc00000u, 0xff812345u, 0xffffffffu}) {
        check(float_to_half(float_of(bits)) == 0x7fff, "NaN to half", bits);
        check(float_to_bfloat(float_of(bits)) == 0x7fff, "NaN to bfloat", bits);
    }
    check(bits_of(half_to_float(0xfc01)) == 0xffc02000u, "a signalling half", 0xfc01);
    check(bits_of(bfloat_to_float(0xff81)) == 0xffc10000u, "a signalling bfloat", 0xff81);
}

template <class Row>
void rows_are_converted_as_single_numbers_are(float (*widen)(std::uint16_t),
                                              std::uint16_t (*narrow)(float)) {
    constexpr int lanes = 32;
    alignas(64) std::uint16_t from[lanes], back[lanes];
    alignas(64) float wide[lanes];
    for (std::uint32_t first = 0; first < 0x10000; first += lanes) {
        for (int i = 0; i < lanes; ++i) from[i] = static_cast<std::uint16_t>(first + i);
        Row::widen(wide, from, lanes);
        for (int i = 0; i < lanes; ++i) {
            check(bits_of(wide[i]) == bits_of(widen(from[i])), "a row widened", from[i]);
            wide[i] = std::nextafter(wide[i], 0.0f);
        }
        Row::narrow(back, wide, lanes);
        for (int i = 0; i < lanes; ++i) {
            check(back[i] == narrow(wide[i]), "a row narrowed", bits_of(wide[i]));
        }
    }
}

std::uint64_t digest() {
    std::uint64_t sum = 14695981039346656037u;
    const auto add = [&](std::uint64_t value) { sum = (sum ^ value) * 1099511628211u; };
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
        add(bits_of(half_to_float(static_cast<std::uint16_t>(bits))));
        add(bits_of(bfloat_to_float(static_cast<std::uint16_t>(bits))));
    }
    // A prime step visits every exponent and the low bits in all their combinations.
    for (std::uint64_t bits = 0; bits <= std::numeric_limits<std::uint32_t>::max(); bits += 1021) {
        add(float_to_half(float_of(static_cast<std::uint32_t>(bits))));
        add(float_to_bfloat(float_of(static_cast<std::uint32_t>(bits))));
    }
    return sum;
}

}  // namespace

int main() {
    every_number_survives_the_way_to_float_and_back();
    what_lies_between_two_halves_goes_to_the_nearer_and_a_tie_to_the_even_one();
    a_nan_has_one_narrow_form_and_is_quiet_when_widened();
    rows_are_converted_as_single_numbers_are<emulator::HalfRow>(half_to_float, float_to_half);
    rows_are_converted_as_single_numbers_are<emulator::BfloatRow>(bfloat_to_float, float_to_bfloat);
    std::printf("%016llx\n", static_cast<unsigned long long>(digest()));
    return 0;
}
