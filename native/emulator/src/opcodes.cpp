#include "opcodes.h"

#include <algorithm>
#include <iterator>

#include "decode.h"

namespace llamaproof::emulator {

using ptx::Statement;

#define OPCODE(name, decoder, destination, next) void decoder(Decoding & d);
#define ARITHMETIC(name, integers, reals, halves) \
    void integers(Decoding & d);                  \
    void reals(Decoding & d);                     \
    void halves(Decoding & d);
#include "opcodes.def"

void none(Decoding & d) { d.fail("it is not known"); }

namespace {

constexpr Opcode opcodes[] = {
#define OPCODE(name, decoder, destination, next) \
    {name, decoder, nullptr, nullptr, nullptr, Destination::destination, Next::next},
#define ARITHMETIC(name, integers, reals, halves) \
    {name, nullptr, integers, reals, halves, Destination::always, Next::following},
#include "opcodes.def"
};

constexpr bool sorted_by_name() {
    for (size_t i = 1; i < std::size(opcodes); ++i) {
        if (!(opcodes[i - 1].name < opcodes[i].name)) return false;
    }
    return true;
}
static_assert(sorted_by_name(), "find_opcode() searches by halves");

constexpr std::string_view integers[] = {"u16", "s16", "u32", "s32", "u64", "s64"};
constexpr std::string_view reals[] = {"f32", "f64"};
constexpr std::string_view halves[] = {"f16", "f16x2", "bf16", "bf16x2"};

template <size_t N> bool names_one_of(const Decoding & d, const std::string_view (&types)[N]) {
    return std::any_of(std::begin(types), std::end(types),
                       [&](std::string_view type) { return d.peek(type); });
}

Decode decoder_of(const Opcode & opcode, const Decoding & d) {
    if (opcode.decode != nullptr) return opcode.decode;
    if (names_one_of(d, integers)) return opcode.integers;
    if (names_one_of(d, reals)) return opcode.reals;
    if (names_one_of(d, halves)) return opcode.halves;
    return none;
}

// Null for an opcode that is not known.
const Opcode * find_opcode(std::string_view name) {
    const auto * const found =
        std::lower_bound(std::begin(opcodes), std::end(opcodes), name,
                         [](const Opcode & opcode, std::string_view n) { return opcode.name < n; });
    return found != std::end(opcodes) && found->name == name ? found : nullptr;
}

const Opcode * opcode_of(const Statement & statement) {
    const std::string_view text = statement.opcode;
    return find_opcode(text.substr(0, text.find('.')));
}

}  // namespace

bool writes_first_operand(const Statement & statement) {
    const Opcode * const opcode = opcode_of(statement);
    const auto says = [&](const char * word) {
        return statement.opcode.find(word) != std::string::npos;
    };
    switch (opcode == nullptr ? Destination::always : opcode->destination) {
        case Destination::always: return true;
        case Destination::never: return false;
        case Destination::if_it_reduces: return says(".red.");
        case Destination::unless_it_stores: return !says(".store.");
    }
    return true;
}

Next next_of(const Statement & statement) {
    const Opcode * const opcode = opcode_of(statement);
    return opcode == nullptr ? Next::following : opcode->next;
}

void decode_statement(Decoding & d) {
    const Opcode * const opcode = find_opcode(d.root());
    if (opcode == nullptr) d.fail("it is not known");
    decoder_of(*opcode, d)(d);
}

}  // namespace llamaproof::emulator
