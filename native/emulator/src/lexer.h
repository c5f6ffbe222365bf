// Words of PTX: tokens, and the numbers among them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ptx.h"

namespace llamaproof::ptx {

enum class Token { end, identifier, directive, number, string, punctuation };

// One token ahead, over text that outlives it.
class Lexer {
public:
    Lexer(std::string_view text, int line);

    Token kind() const { return kind_; }
    std::string_view text() const { return token_; }
    int line() const { return token_line_; }
    bool is(std::string_view punctuation) const {
        return kind_ == Token::punctuation && token_ == punctuation;
    }
    bool is_sign() const { return is("-") || is("+"); }
    bool at_end() const { return kind_ == Token::end; }

    [[noreturn]] void fail(const std::string & what) const;

    void advance();
    void expect(std::string_view punctuation);
    bool accept(std::string_view punctuation);
    std::string take_identifier(const char * what);

    // The whole opcode: identifier, modifiers and '::' qualifiers, up to a blank or an operand.
    std::string_view take_opcode();

    // The text up to the brace that closes the one just passed; leaves the lexer behind it.
    std::string_view take_braced(int & first_line);

    void skip_to(std::string_view punctuation);  // and not past it
    void skip_past(std::string_view punctuation);
    void skip_line();

private:
    void skip_blank();
    void skip_comment();
    void take_token();
    void take_string();
    char at(size_t ahead) const;
    void pass_identifier();

    std::string_view text_;
    size_t at_ = 0;
    int line_;
    Token kind_ = Token::end;
    std::string_view token_;
    size_t token_begin_ = 0;
    int token_line_ = 1;
};

// The number the lexer stands at: an integer, or a real of 32 or 64 bits.
Operand take_number(Lexer & lexer);
int64_t take_integer(Lexer & lexer);  // with any signs before it
int take_integer_within(Lexer & lexer, int64_t low, int64_t high, const char * what);

}  // namespace llamaproof::ptx
