#include "declaration.h"

namespace llamaproof::ptx {

namespace {

constexpr int64_t max_variable_bytes = int64_t(1) << 32;
constexpr int max_alignment = 1 << 16;

int take_alignment(Lexer & lexer) {
    lexer.advance();
    const int alignment = take_integer_within(lexer, 1, max_alignment, "an alignment");
    if ((alignment & (alignment - 1)) != 0) lexer.fail("an alignment that is no power of two");
    return alignment;
}

// After the type of a kernel's pointer parameter: `.ptr .global .align 8` says what it points to.
// Nothing depends on it, and that alignment is not the parameter's.
void skip_pointee(Lexer & lexer) {
    if (lexer.kind() != Token::directive || lexer.text() != ".ptr") return;
    while (lexer.kind() == Token::directive) {
        const bool has_value = lexer.text() == ".align";
        lexer.advance();
        if (has_value) take_integer_within(lexer, 1, max_alignment, "an alignment");
    }
}

bool says_nothing_here(std::string_view directive) {
    return directive == ".ptr" || directive == ".attribute" || directive == ".managed" ||
           space_of(directive);
}

// One directive of those before the name: alignment, vector width, type.
void take_directive(Lexer & lexer, Variable & variable, int & alignment) {
    const std::string_view word = lexer.text();
    if (word == ".align") {
        alignment = take_alignment(lexer);
        return;
    }
    const auto type = type_named(word.substr(1));
    const bool vector = word == ".v2" || word == ".v4";
    if (!type && !vector && !says_nothing_here(word)) {
        lexer.fail("an unknown word in a declaration");
    }
    lexer.advance();
    if (vector) {
        variable.vector_width = word == ".v2" ? 2 : 4;
    } else if (type) {
        variable.type = *type;
        skip_pointee(lexer);
    } else if (lexer.is("(")) {
        lexer.skip_past(")");
    }
}

void take_form(Lexer & lexer, Variable & variable) {
    int alignment = 0;
    variable.type = Type::none;
    while (lexer.kind() == Token::directive) take_directive(lexer, variable, alignment);
    if (variable.type == Type::none) lexer.fail("a declaration without a type");
    variable.alignment =
        alignment != 0 ? alignment : size_of(variable.type) * variable.vector_width;
}

void take_extents(Lexer & lexer, Variable & variable) {
    while (lexer.accept("[")) {
        if (lexer.accept("]")) {
            variable.count = 0;
            continue;
        }
        const int64_t extent = take_integer(lexer);
        if (extent < 0 || extent > max_variable_bytes ||
            variable.count * extent > max_variable_bytes) {
            lexer.fail("an array extent out of range");
        }
        variable.count *= extent;
        lexer.expect("]");
    }
}

Initial take_initial_number(Lexer & lexer) {
    const bool negative = lexer.accept("-");
    if (lexer.kind() != Token::number) lexer.fail("expected a number");
    const Operand value = take_number(lexer);
    if (negative && value.kind != OperandKind::integer) lexer.fail("a negated real");
    return {negative ? 0 - value.bits : value.bits, {}};
}

// `name`, `generic(name)`, either with an offset.
Initial take_initial_address(Lexer & lexer) {
    std::string name = lexer.take_identifier("a symbol");
    if (name == "generic") {
        lexer.expect("(");
        name = lexer.take_identifier("a symbol");
        lexer.expect(")");
    }
    const int64_t offset = lexer.is_sign() ? take_integer(lexer) : 0;
    return {static_cast<uint64_t>(offset), name};
}

// Braces may be nested; the values stand one after the other however they are.
void take_initial_values(Lexer & lexer, Variable & variable) {
    int depth = 0;
    do {
        while (lexer.accept("{")) ++depth;
        if (lexer.kind() == Token::number || lexer.is("-")) {
            variable.initial.push_back(take_initial_number(lexer));
        } else if (lexer.kind() == Token::identifier) {
            variable.initial.push_back(take_initial_address(lexer));
        } else if (!lexer.is("}")) {
            lexer.fail("an unknown initial value");
        }
        while (depth > 0 && lexer.accept("}")) --depth;
    } while (lexer.accept(","));
    if (depth != 0) lexer.fail("a brace is not closed");
    const auto count = static_cast<int64_t>(variable.initial.size());
    if (variable.count == 0) variable.count = count;
    if (count > variable.count * variable.vector_width) {
        lexer.fail("more initial values than elements");
    }
}

}  // namespace

std::optional<Space> space_of(std::string_view directive) {
    if (directive == ".global") return Space::global;
    if (directive == ".shared") return Space::shared;
    if (directive == ".local") return Space::local;
    if (directive == ".param") return Space::param;
    if (directive == ".const") return Space::constant;
    return std::nullopt;
}

Variable take_variable(Lexer & lexer, Space space, bool external) {
    Variable variable;
    variable.space = space;
    variable.external = external;
    variable.line = lexer.line();
    take_form(lexer, variable);
    variable.name = lexer.take_identifier("a name");
    take_extents(lexer, variable);
    if (lexer.accept("=")) take_initial_values(lexer, variable);
    return variable;
}

std::vector<Variable> take_parameters(Lexer & lexer) {
    std::vector<Variable> result;
    lexer.expect("(");
    while (!lexer.accept(")")) {
        if (lexer.kind() != Token::directive ||
            (lexer.text() != ".param" && lexer.text() != ".reg")) {
            lexer.fail("expected '.param'");
        }
        lexer.advance();
        result.push_back(take_variable(lexer, Space::param, false));
        if (!lexer.is(")")) lexer.expect(",");
    }
    return result;
}

}  // namespace llamaproof::ptx
