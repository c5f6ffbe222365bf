#include "lexer.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>

namespace llamaproof::ptx {

namespace {

bool starts_identifier(char c) {
    return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%';
}

bool continues_identifier(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$';
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 99;
}

uint64_t digits(const Lexer & lexer, std::string_view text, int base) {
    if (text.empty()) lexer.fail("a number without digits");
    uint64_t value = 0;
    for (const char c : text) {
        const int digit = hex_digit(c);
        if (digit >= base) lexer.fail("not a number");
        const uint64_t next = value * static_cast<uint64_t>(base) + static_cast<uint64_t>(digit);
        if (value > (UINT64_MAX - static_cast<uint64_t>(digit)) / static_cast<uint64_t>(base)) {
            lexer.fail("a number beyond 64 bits");
        }
        value = next;
    }
    return value;
}

// After "0x" and the like.
bool has_prefix(std::string_view text, char lower) {
    return text.size() > 2 && text[0] == '0' &&
           std::tolower(static_cast<unsigned char>(text[1])) == lower;
}

uint64_t hexadecimal_bits(const Lexer & lexer, size_t digit_count, const char * complaint) {
    if (lexer.text().size() != 2 + digit_count) lexer.fail(complaint);
    return digits(lexer, lexer.text().substr(2), 16);
}

uint64_t decimal_bits(const Lexer & lexer) {
    const std::string decimal(lexer.text());
    char * end = nullptr;
    const double value = std::strtod(decimal.c_str(), &end);
    if (end != decimal.c_str() + decimal.size()) lexer.fail("not a number");
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

uint64_t integer_bits(const Lexer & lexer) {
    std::string_view text = lexer.text();
    if (text.size() > 1 && (text.back() == 'U' || text.back() == 'u')) text.remove_suffix(1);
    if (has_prefix(text, 'x')) return digits(lexer, text.substr(2), 16);
    if (has_prefix(text, 'b')) return digits(lexer, text.substr(2), 2);
    if (text.size() > 1 && text[0] == '0') return digits(lexer, text.substr(1), 8);
    return digits(lexer, text, 10);
}

}  // namespace

Lexer::Lexer(std::string_view text, int line) : text_(text), line_(line) { advance(); }

void Lexer::fail(const std::string & what) const {
    const std::string near =
        at_end() ? "the end of the text" : "'" + std::string(token_.substr(0, 60)) + "'";
    throw Error(token_line_, what + " at " + near);
}

void Lexer::advance() {
    skip_blank();
    token_begin_ = at_;
    token_line_ = line_;
    kind_ = Token::end;
    if (at_ < text_.size()) take_token();
    token_ = text_.substr(token_begin_, at_ - token_begin_);
}

// A character further on, or one that belongs to nothing.
char Lexer::at(size_t ahead) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
}

void Lexer::pass_identifier() {
    while (continues_identifier(at(0))) ++at_;
}

void Lexer::take_token() {
    const char c = at(0);
    if (c == '"') return take_string();
    ++at_;
    if (starts_identifier(c)) {
        kind_ = Token::identifier;
        pass_identifier();
        // %tid.x and the like are one name.
        const bool member = at(0) == '.' && at(1) >= 'w' && at(1) <= 'z';
        if (c == '%' && member && !continues_identifier(at(2))) at_ += 2;
    } else if (c == '.' && starts_identifier(at(0))) {
        kind_ = Token::directive;
        pass_identifier();
    } else if (std::isdigit(static_cast<unsigned char>(c))) {
        kind_ = Token::number;
        while (continues_identifier(at(0)) || at(0) == '.') ++at_;
    } else {
        kind_ = Token::punctuation;
    }
}

void Lexer::take_string() {
    kind_ = Token::string;
    ++at_;
    while (at_ < text_.size() && text_[at_] != '"') {
        if (text_[at_] == '\n') throw Error(line_, "a string is not closed on its line");
        at_ += text_[at_] == '\\' ? 2 : 1;
    }
    if (at_ >= text_.size()) throw Error(line_, "a string is not closed");
    ++at_;
}

void Lexer::skip_blank() {
    while (at_ < text_.size()) {
        const char c = text_[at_];
        if (c == '/' && (at(1) == '/' || at(1) == '*')) {
            skip_comment();
            continue;
        }
        if (std::strchr(" \t\r\n\f\v", c) == nullptr || c == '\0') return;
        if (c == '\n') ++line_;
        ++at_;
    }
}

void Lexer::skip_comment() {
    if (at(1) == '/') {
        at_ = std::min(text_.find('\n', at_), text_.size());
        return;
    }
    const size_t close = text_.find("*/", at_ + 2);
    if (close == std::string_view::npos) throw Error(line_, "a comment is not closed");
    const std::string_view comment = text_.substr(at_, close - at_);
    line_ += static_cast<int>(std::count(comment.begin(), comment.end(), '\n'));
    at_ = close + 2;
}

std::string_view Lexer::take_opcode() {
    size_t end = token_begin_;
    while (end < text_.size() &&
           (continues_identifier(text_[end]) || text_[end] == '.' || text_[end] == ':')) {
        ++end;
    }
    const std::string_view opcode = text_.substr(token_begin_, end - token_begin_);
    at_ = end;
    advance();
    return opcode;
}

void Lexer::expect(std::string_view punctuation) {
    if (!is(punctuation)) fail("expected '" + std::string(punctuation) + "'");
    advance();
}

bool Lexer::accept(std::string_view punctuation) {
    if (!is(punctuation)) return false;
    advance();
    return true;
}

std::string Lexer::take_identifier(const char * what) {
    if (kind_ != Token::identifier) fail(std::string("expected ") + what);
    std::string name(token_);
    advance();
    return name;
}

std::string_view Lexer::take_braced(int & first_line) {
    if (!is("{")) fail("expected '{'");
    const size_t begin = at_;
    first_line = line_;
    int depth = 1;
    while (depth > 0) {
        advance();
        if (at_end()) throw Error(first_line, "a brace is not closed");
        if (is("{")) ++depth;
        if (is("}")) --depth;
    }
    const std::string_view body = text_.substr(begin, token_begin_ - begin);
    advance();
    return body;
}

void Lexer::skip_to(std::string_view punctuation) {
    while (!at_end() && !is(punctuation)) advance();
}

void Lexer::skip_past(std::string_view punctuation) {
    skip_to(punctuation);
    expect(punctuation);
}

void Lexer::skip_line() {
    const int line = token_line_;
    while (!at_end() && token_line_ == line) advance();
}

Operand take_number(Lexer & lexer) {
    Operand operand;
    const std::string_view text = lexer.text();
    if (has_prefix(text, 'f')) {
        operand.kind = OperandKind::real32;
        operand.bits = hexadecimal_bits(lexer, 8, "a 32-bit real has eight hexadecimal digits");
    } else if (has_prefix(text, 'd')) {
        operand.kind = OperandKind::real64;
        operand.bits = hexadecimal_bits(lexer, 16, "a 64-bit real has sixteen hexadecimal digits");
    } else if (text.find('.') != std::string_view::npos) {
        operand.kind = OperandKind::real64;
        operand.bits = decimal_bits(lexer);
    } else {
        operand.kind = OperandKind::integer;
        operand.bits = integer_bits(lexer);
    }
    lexer.advance();
    return operand;
}

int64_t take_integer(Lexer & lexer) {
    bool negative = false;
    while (lexer.is_sign()) {
        negative ^= lexer.is("-");
        lexer.advance();
    }
    if (lexer.kind() != Token::number) lexer.fail("expected a number");
    const Operand value = take_number(lexer);
    if (value.kind != OperandKind::integer) lexer.fail("expected an integer");
    return static_cast<int64_t>(negative ? 0 - value.bits : value.bits);
}

int take_integer_within(Lexer & lexer, int64_t low, int64_t high, const char * what) {
    const int64_t value = take_integer(lexer);
    if (value < low || value > high) lexer.fail(std::string(what) + " out of range");
    return static_cast<int>(value);
}

}  // namespace llamaproof::ptx
