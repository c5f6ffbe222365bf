// Declarations of variables and parameters in PTX text.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "lexer.h"

namespace llamaproof::ptx {

std::optional<Space> space_of(std::string_view directive);  // ".shared" and the like

// What follows the state space: `.align 4 .b8 name[12] = {1, 2}`.
Variable take_variable(Lexer & lexer, Space space, bool external);

// `(.param .u64 a, .param .b32 b)`.
std::vector<Variable> take_parameters(Lexer & lexer);

}  // namespace llamaproof::ptx
