// The table of opcodes: opcodes.def, looked up.
#pragma once

#include <string_view>

#include "ptx.h"

namespace llamaproof::emulator {

class Decoding;
using Decode = void (*)(Decoding & d);

// Whether an instruction writes its first operand.
enum class Destination { always, never, if_it_reduces, unless_it_stores };

// Where control goes after an instruction that is not predicated off.
enum class Next { following, targets, end };

struct Opcode {
    std::string_view name;
    Decode decode;  // null for arithmetic, which is decoded by its type:
    Decode integers, reals, halves;
    Destination destination;
    Next next;
};

bool writes_first_operand(const ptx::Statement & statement);
Next next_of(const ptx::Statement & statement);

// Settles what an instruction does; fails in words where its form is not known.
void decode_statement(Decoding & d);

}  // namespace llamaproof::emulator
