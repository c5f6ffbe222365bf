#include "ptx.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>

namespace llamaproof::ptx {

namespace {

struct TypeName {
    std::string_view name;
    Type type;
    int size;
};

constexpr std::array<TypeName, 21> type_names = {{
    {"b8", Type::b8, 1},     {"b16", Type::b16, 2},       {"b32", Type::b32, 4},
    {"b64", Type::b64, 8},   {"b128", Type::b128, 16},    {"u8", Type::u8, 1},
    {"u16", Type::u16, 2},   {"u32", Type::u32, 4},       {"u64", Type::u64, 8},
    {"s8", Type::s8, 1},     {"s16", Type::s16, 2},       {"s32", Type::s32, 4},
    {"s64", Type::s64, 8},   {"f16", Type::f16, 2},       {"f16x2", Type::f16x2, 4},
    {"bf16", Type::bf16, 2}, {"bf16x2", Type::bf16x2, 4}, {"tf32", Type::tf32, 4},
    {"f32", Type::f32, 4},   {"f64", Type::f64, 8},       {"pred", Type::pred, 1},
}};

enum class Token { end, identifier, directive, number, string, punctuation };

bool starts_identifier(char c) {
    return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%';
}

bool continues_identifier(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$';
}

// One token ahead, over text that outlives it.
class Lexer {
public:
    Lexer(std::string_view text, int line) : text_(text), line_(line) { advance(); }

    Token kind() const { return kind_; }
    std::string_view text() const { return token_; }
    int line() const { return token_line_; }
    size_t token_begin() const { return token_begin_; }
    bool is(std::string_view punctuation) const {
        return kind_ == Token::punctuation && token_ == punctuation;
    }
    bool at_end() const { return kind_ == Token::end; }

    [[noreturn]] void fail(const std::string & what) const {
        const std::string near =
            at_end() ? "the end of the text" : "'" + std::string(token_.substr(0, 60)) + "'";
        throw Error(token_line_, what + " at " + near);
    }

    void advance() {
        skip_blank();
        token_begin_ = at_;
        token_line_ = line_;
        if (at_ >= text_.size()) {
            kind_ = Token::end;
            token_ = {};
            return;
        }
        const char c = text_[at_];
        if (starts_identifier(c)) {
            ++at_;
            while (at_ < text_.size() && continues_identifier(text_[at_])) ++at_;
            // %tid.x and the like are one name.
            if (c == '%' && at_ + 1 < text_.size() && text_[at_] == '.' &&
                std::strchr("xyzw", text_[at_ + 1]) &&
                (at_ + 2 >= text_.size() || !continues_identifier(text_[at_ + 2]))) {
                at_ += 2;
            }
            kind_ = Token::identifier;
        } else if (c == '.' && at_ + 1 < text_.size() && starts_identifier(text_[at_ + 1])) {
            ++at_;
            while (at_ < text_.size() && continues_identifier(text_[at_])) ++at_;
            kind_ = Token::directive;
        } else if (std::isdigit(static_cast<unsigned char>(c))) {
            ++at_;
            while (at_ < text_.size() && (continues_identifier(text_[at_]) || text_[at_] == '.')) {
                ++at_;
            }
            kind_ = Token::number;
        } else if (c == '"') {
            ++at_;
            while (at_ < text_.size() && text_[at_] != '"') {
                if (text_[at_] == '\n') throw Error(line_, "a string is not closed on its line");
                at_ += text_[at_] == '\\' ? 2 : 1;
            }
            if (at_ >= text_.size()) throw Error(line_, "a string is not closed");
            ++at_;
            kind_ = Token::string;
        } else {
            ++at_;
            kind_ = Token::punctuation;
        }
        token_ = text_.substr(token_begin_, at_ - token_begin_);
    }

    // The whole opcode: identifier, modifiers and '::' qualifiers, up to a blank or an operand.
    std::string_view take_opcode() {
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

    void expect(std::string_view punctuation) {
        if (!is(punctuation)) fail("expected '" + std::string(punctuation) + "'");
        advance();
    }

    bool accept(std::string_view punctuation) {
        if (!is(punctuation)) return false;
        advance();
        return true;
    }

    std::string take_identifier(const char * what) {
        if (kind_ != Token::identifier) fail(std::string("expected ") + what);
        std::string name(token_);
        advance();
        return name;
    }

    // The text up to the brace that closes the one just passed; leaves the lexer behind it.
    std::string_view take_braced(int & first_line) {
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

private:
    void skip_blank() {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '\n') {
                ++line_;
                ++at_;
            } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
                ++at_;
            } else if (c == '/' && text_.substr(at_, 2) == "//") {
                while (at_ < text_.size() && text_[at_] != '\n') ++at_;
            } else if (c == '/' && text_.substr(at_, 2) == "/*") {
                const size_t close = text_.find("*/", at_ + 2);
                if (close == std::string_view::npos) throw Error(line_, "a comment is not closed");
                line_ += static_cast<int>(
                    std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                               text_.begin() + static_cast<std::ptrdiff_t>(close), '\n'));
                at_ = close + 2;
            } else {
                return;
            }
        }
    }

    std::string_view text_;
    size_t at_ = 0;
    int line_;
    Token kind_ = Token::end;
    std::string_view token_;
    size_t token_begin_ = 0;
    int token_line_ = 1;
};

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

Operand number(Lexer & lexer) {
    Operand operand;
    operand.kind = OperandKind::integer;
    std::string_view text = lexer.text();
    if (text.size() > 2 && text[0] == '0' && (text[1] == 'f' || text[1] == 'F')) {
        if (text.size() != 10) lexer.fail("a 32-bit real has eight hexadecimal digits");
        operand.kind = OperandKind::real32;
        operand.bits = digits(lexer, text.substr(2), 16);
    } else if (text.size() > 2 && text[0] == '0' && (text[1] == 'd' || text[1] == 'D')) {
        if (text.size() != 18) lexer.fail("a 64-bit real has sixteen hexadecimal digits");
        operand.kind = OperandKind::real64;
        operand.bits = digits(lexer, text.substr(2), 16);
    } else if (text.find('.') != std::string_view::npos) {
        operand.kind = OperandKind::real64;
        const std::string decimal(text);
        char * end = nullptr;
        const double value = std::strtod(decimal.c_str(), &end);
        if (end != decimal.c_str() + decimal.size()) lexer.fail("not a number");
        std::memcpy(&operand.bits, &value, sizeof value);
    } else {
        if (text.size() > 1 && (text.back() == 'U' || text.back() == 'u')) text.remove_suffix(1);
        if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
            operand.bits = digits(lexer, text.substr(2), 16);
        } else if (text.size() > 2 && text[0] == '0' && (text[1] == 'b' || text[1] == 'B')) {
            operand.bits = digits(lexer, text.substr(2), 2);
        } else if (text.size() > 1 && text[0] == '0') {
            operand.bits = digits(lexer, text.substr(1), 8);
        } else {
            operand.bits = digits(lexer, text, 10);
        }
    }
    lexer.advance();
    return operand;
}

int64_t signed_integer(Lexer & lexer) {
    bool negative = false;
    while (lexer.is("-") || lexer.is("+")) {
        negative ^= lexer.is("-");
        lexer.advance();
    }
    if (lexer.kind() != Token::number) lexer.fail("expected a number");
    const Operand value = number(lexer);
    if (value.kind != OperandKind::integer) lexer.fail("expected an integer");
    return static_cast<int64_t>(negative ? 0 - value.bits : value.bits);
}

int small_integer(Lexer & lexer, int64_t low, int64_t high, const char * what) {
    const int64_t value = signed_integer(lexer);
    if (value < low || value > high) lexer.fail(std::string(what) + " out of range");
    return static_cast<int>(value);
}

std::optional<Space> space_of(std::string_view directive) {
    if (directive == ".global") return Space::global;
    if (directive == ".shared") return Space::shared;
    if (directive == ".local") return Space::local;
    if (directive == ".param") return Space::param;
    if (directive == ".const") return Space::constant;
    return std::nullopt;
}

constexpr int64_t max_variable_bytes = int64_t(1) << 32;

// What follows the state space: `.align 4 .b8 name[12] = {1, 2}`.
Variable variable(Lexer & lexer, Space space, bool external) {
    Variable result;
    result.space = space;
    result.external = external;
    result.line = lexer.line();
    bool typed = false;
    bool aligned = false;
    while (lexer.kind() == Token::directive) {
        const std::string_view word = lexer.text().substr(1);
        if (word == "align") {
            lexer.advance();
            result.alignment = small_integer(lexer, 1, 1 << 16, "an alignment");
            if ((result.alignment & (result.alignment - 1)) != 0) {
                lexer.fail("an alignment that is no power of two");
            }
            aligned = true;
        } else if (word == "v2" || word == "v4") {
            result.vector_width = word == "v2" ? 2 : 4;
            lexer.advance();
        } else if (word == "ptr" || word == "attribute" || word == "managed" ||
                   space_of(lexer.text())) {
            // `.ptr .global .align 8` says what a pointer parameter points to; nothing depends on
            // it.
            lexer.advance();
            if (lexer.is("(")) {
                while (!lexer.at_end() && !lexer.is(")")) lexer.advance();
                lexer.expect(")");
            }
        } else if (const auto type = type_named(word)) {
            result.type = *type;
            typed = true;
            lexer.advance();
            // After the type of a kernel's pointer parameter the pointee's alignment is not the
            // parameter's.
            if (lexer.kind() == Token::directive && lexer.text() == ".ptr") {
                while (lexer.kind() == Token::directive) {
                    const bool has_value = lexer.text() == ".align";
                    lexer.advance();
                    if (has_value) small_integer(lexer, 1, 1 << 16, "an alignment");
                }
            }
        } else {
            lexer.fail("an unknown word in a declaration");
        }
    }
    if (!typed) lexer.fail("a declaration without a type");
    if (!aligned) result.alignment = size_of(result.type) * result.vector_width;
    result.name = lexer.take_identifier("a name");
    while (lexer.accept("[")) {
        if (lexer.accept("]")) {
            result.count = 0;
            continue;
        }
        const int64_t extent = signed_integer(lexer);
        if (extent < 0 || extent > max_variable_bytes ||
            result.count * extent > max_variable_bytes) {
            lexer.fail("an array extent out of range");
        }
        result.count *= extent;
        lexer.expect("]");
    }
    if (lexer.accept("=")) {
        int depth = 0;
        do {
            while (lexer.accept("{")) ++depth;
            if (lexer.kind() == Token::number || lexer.is("-")) {
                const bool negative = lexer.accept("-");
                if (lexer.kind() != Token::number) lexer.fail("expected a number");
                Operand value = number(lexer);
                if (negative) {
                    if (value.kind != OperandKind::integer) lexer.fail("a negated real");
                    value.bits = 0 - value.bits;
                }
                result.initial.push_back({value.bits, {}});
            } else if (lexer.kind() == Token::identifier) {
                std::string name = lexer.take_identifier("a symbol");
                if (name == "generic") {
                    lexer.expect("(");
                    name = lexer.take_identifier("a symbol");
                    lexer.expect(")");
                }
                int64_t offset = 0;
                if (lexer.is("+") || lexer.is("-")) offset = signed_integer(lexer);
                result.initial.push_back({static_cast<uint64_t>(offset), name});
            } else if (!lexer.is("}")) {
                lexer.fail("an unknown initial value");
            }
            while (lexer.is("}") && depth > 0) {
                lexer.advance();
                --depth;
            }
        } while (lexer.accept(","));
        if (depth != 0) lexer.fail("a brace is not closed");
        if (result.count == 0) result.count = static_cast<int64_t>(result.initial.size());
        if (static_cast<int64_t>(result.initial.size()) > result.count * result.vector_width) {
            lexer.fail("more initial values than elements");
        }
    }
    return result;
}

std::vector<Variable> parameter_list(Lexer & lexer) {
    std::vector<Variable> result;
    lexer.expect("(");
    while (!lexer.accept(")")) {
        if (lexer.kind() != Token::directive ||
            (lexer.text() != ".param" && lexer.text() != ".reg")) {
            lexer.fail("expected '.param'");
        }
        lexer.advance();
        result.push_back(variable(lexer, Space::param, false));
        if (!lexer.is(")")) lexer.expect(",");
    }
    return result;
}

void function(Lexer & lexer, Module & module, bool entry) {
    Function result;
    result.entry = entry;
    result.line = lexer.line();
    if (!entry && lexer.is("(")) result.results = parameter_list(lexer);
    result.name = lexer.take_identifier("a function's name");
    if (lexer.is("(")) result.params = parameter_list(lexer);
    while (lexer.kind() == Token::directive) {
        const std::string word(lexer.text());
        lexer.advance();
        if (word == ".noreturn" || word == ".blocksareclusters") continue;
        if (word == ".pragma") {
            while (lexer.kind() == Token::string || lexer.is(",")) lexer.advance();
            lexer.accept(";");
            continue;
        }
        if (word == ".attribute") {
            while (!lexer.at_end() && !lexer.is(")")) lexer.advance();
            lexer.expect(")");
            continue;
        }
        if (word != ".maxntid" && word != ".minnctapersm" && word != ".reqntid" &&
            word != ".maxnreg" && word != ".maxnctapersm" && word != ".explicitcluster" &&
            word != ".reqnctapercluster" && word != ".maxclusterrank") {
            throw Error(lexer.line(), "the directive '" + word + "' of a function is not known");
        }
        int64_t product = 1;
        while (lexer.kind() == Token::number) {
            product *= small_integer(lexer, 1, 1 << 30, "a launch bound");
            if (product > (int64_t(1) << 31)) lexer.fail("a launch bound out of range");
            if (!lexer.accept(",")) break;
        }
        if (word == ".maxntid" || word == ".reqntid") {
            result.max_threads = static_cast<int>(std::min<int64_t>(product, 1 << 20));
        }
    }
    if (lexer.is("{")) {
        result.body = lexer.take_braced(result.body_line);
        result.defined = true;
    } else {
        lexer.expect(";");
    }
    const auto known = module.functions.find(result.name);
    if (known != module.functions.end() && known->second.defined) {
        if (result.defined) {
            throw Error(result.line, "the function '" + result.name + "' is defined twice");
        }
        return;
    }
    module.functions[result.name] = std::move(result);
}

// Parses the statements between a function's braces.
class Body {
public:
    explicit Body(Function & function)
        : function_(function), lexer_(function.body, function.body_line) {}

    void parse() {
        scopes_.emplace_back();
        while (!lexer_.at_end()) statement();
        if (scopes_.size() != 1) lexer_.fail("a brace is not closed");
        for (auto & fixup : pending_labels_) {
            Operand & operand =
                function_.statements[static_cast<size_t>(fixup.statement)].operands[fixup.operand];
            const auto found = fixup.scope_labels->find(operand.name);
            if (found != fixup.scope_labels->end()) operand.name = found->second;
        }
    }

private:
    struct Range {
        int first = 0;
        int count = 0;
    };
    struct Scope {
        std::unordered_map<std::string, int> registers;
        std::unordered_map<std::string, Range> ranges;
        std::unordered_map<std::string, std::string> variables;  // as written -> unique
        std::shared_ptr<std::unordered_map<std::string, std::string>> labels =
            std::make_shared<std::unordered_map<std::string, std::string>>();
    };
    struct LabelUse {
        int statement;
        size_t operand;
        std::shared_ptr<std::unordered_map<std::string, std::string>> scope_labels;
    };

    std::optional<int> find_register(const std::string & name) const {
        for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
            const auto exact = scope->registers.find(name);
            if (exact != scope->registers.end()) return exact->second;
            size_t digit = name.size();
            while (digit > 0 && std::isdigit(static_cast<unsigned char>(name[digit - 1]))) --digit;
            if (digit == name.size() || name.size() - digit > 8) continue;
            const auto range = scope->ranges.find(name.substr(0, digit));
            if (range == scope->ranges.end()) continue;
            const int index = std::stoi(name.substr(digit));
            if (index < range->second.count) return range->second.first + index;
        }
        return std::nullopt;
    }

    std::string resolve_variable(const std::string & name) const {
        for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
            const auto found = scope->variables.find(name);
            if (found != scope->variables.end()) return found->second;
        }
        return name;
    }

    void declare_registers() {
        lexer_.advance();
        Type type = Type::none;
        while (lexer_.kind() == Token::directive) {
            const auto named = type_named(lexer_.text().substr(1));
            if (!named) lexer_.fail("an unknown register type");
            type = *named;
            lexer_.advance();
        }
        if (type == Type::none) lexer_.fail("registers without a type");
        do {
            const std::string name = lexer_.take_identifier("a register's name");
            int count = 1;
            const bool ranged = lexer_.accept("<");
            if (ranged) {
                count = small_integer(lexer_, 0, 1 << 22, "a register count");
                lexer_.expect(">");
            }
            const int first = static_cast<int>(function_.registers.size());
            if (first + count > (1 << 23)) lexer_.fail("too many registers");
            function_.registers.resize(static_cast<size_t>(first + count), type);
            if (ranged) {
                scopes_.back().ranges[name] = {first, count};
            } else {
                scopes_.back().registers[name] = first;
            }
        } while (lexer_.accept(","));
        lexer_.expect(";");
    }

    void declare_variable(Space space, bool external) {
        do {
            Variable result = variable(lexer_, space, external);
            if (scopes_.size() > 1) {
                const std::string unique = result.name + "@" + std::to_string(++scoped_variables_);
                scopes_.back().variables[result.name] = unique;
                result.name = unique;
            } else {
                scopes_.back().variables[result.name] = result.name;
            }
            function_.variables.push_back(std::move(result));
        } while (lexer_.accept(","));
        lexer_.expect(";");
    }

    void directive() {
        const std::string word(lexer_.text());
        if (word == ".reg") return declare_registers();
        if (const auto space = space_of(word)) {
            lexer_.advance();
            return declare_variable(*space, false);
        }
        if (word == ".pragma") {
            while (!lexer_.at_end() && !lexer_.is(";")) lexer_.advance();
            return lexer_.expect(";");
        }
        if (word == ".loc" || word == ".file") {
            const int line = lexer_.line();
            while (!lexer_.at_end() && lexer_.line() == line) lexer_.advance();
            return;
        }
        lexer_.fail("an unknown directive");
    }

    Operand name_operand() {
        Operand operand;
        const std::string name(lexer_.text());
        const int line = lexer_.line();
        lexer_.advance();
        if (name == "_") return operand;
        if (const auto reg = find_register(name)) {
            operand.kind = OperandKind::reg;
            operand.reg = *reg;
            if (lexer_.accept("|")) {
                const std::string second = lexer_.take_identifier("a predicate");
                const auto pair = find_register(second);
                if (second == "_") {
                    operand.pair = -2;
                } else if (pair) {
                    operand.pair = *pair;
                } else {
                    throw Error(line, "the register '" + second + "' is not declared");
                }
            }
            return operand;
        }
        if (name[0] == '%') {
            operand.kind = OperandKind::special;
            operand.name = name;
            return operand;
        }
        operand.kind = OperandKind::symbol;
        operand.name = resolve_variable(name);
        if (lexer_.is("+") || lexer_.is("-")) operand.offset = signed_integer(lexer_);
        return operand;
    }

    Operand address() {
        Operand operand;
        operand.kind = OperandKind::address;
        lexer_.expect("[");
        if (lexer_.kind() == Token::identifier) {
            const Operand base = name_operand();
            if (base.kind == OperandKind::reg) {
                if (base.pair != -1) lexer_.fail("an address cannot be a pair");
                operand.reg = base.reg;
                if (lexer_.is("+") || lexer_.is("-")) operand.offset = signed_integer(lexer_);
            } else if (base.kind == OperandKind::symbol) {
                operand.name = base.name;
                operand.offset = base.offset;
            } else {
                lexer_.fail("not an address");
            }
        } else {
            operand.offset = signed_integer(lexer_);
        }
        lexer_.expect("]");
        return operand;
    }

    Operand operand() {
        if (++depth_ > 8) lexer_.fail("operands nested too deeply");
        Operand result;
        if (lexer_.is("[")) {
            result = address();
        } else if (lexer_.is("{") || lexer_.is("(")) {
            const std::string close = lexer_.is("{") ? "}" : ")";
            lexer_.advance();
            result.kind = OperandKind::vector;
            while (!lexer_.is(close)) {
                result.items.push_back(operand());
                if (result.items.size() > 256) lexer_.fail("too many elements");
                if (!lexer_.is(close)) lexer_.expect(",");
            }
            lexer_.advance();
        } else if (lexer_.accept("!")) {
            if (lexer_.kind() != Token::identifier) lexer_.fail("expected a predicate");
            result = name_operand();
            if (result.kind != OperandKind::reg) lexer_.fail("expected a predicate");
            result.negated = true;
        } else if (lexer_.accept("-")) {
            if (lexer_.kind() != Token::number) lexer_.fail("expected a number");
            result = number(lexer_);
            if (result.kind == OperandKind::integer) {
                result.bits = 0 - result.bits;
            } else {
                result.bits ^=
                    result.kind == OperandKind::real32 ? uint64_t(1) << 31 : uint64_t(1) << 63;
            }
        } else if (lexer_.kind() == Token::number) {
            result = number(lexer_);
        } else if (lexer_.kind() == Token::identifier) {
            result = name_operand();
        } else {
            lexer_.fail("expected an operand");
        }
        --depth_;
        return result;
    }

    void define_label(const std::string & name, int line) {
        std::string unique = name;
        if (scopes_.size() > 1) unique += "@" + std::to_string(++scoped_labels_);
        if (!function_.labels.emplace(unique, static_cast<int>(function_.statements.size()))
                 .second) {
            throw Error(line, "the label '" + name + "' is defined twice");
        }
        (*scopes_.back().labels)[name] = unique;
    }

    void statement() {
        if (lexer_.kind() == Token::directive) return directive();
        if (lexer_.accept(";")) return;
        if (lexer_.accept("{")) {
            if (scopes_.size() > 64) lexer_.fail("blocks nested too deeply");
            scopes_.emplace_back();
            return;
        }
        if (lexer_.is("}")) {
            if (scopes_.size() == 1) lexer_.fail("a brace too many");
            scopes_.pop_back();
            lexer_.advance();
            return;
        }
        Statement result;
        result.line = lexer_.line();
        if (lexer_.accept("@")) {
            result.guard_negated = lexer_.accept("!");
            const std::string name = lexer_.take_identifier("a guard predicate");
            const auto guard = find_register(name);
            if (!guard) throw Error(result.line, "the register '" + name + "' is not declared");
            if (function_.registers[static_cast<size_t>(*guard)] != Type::pred) {
                throw Error(result.line, "the guard '" + name + "' is no predicate");
            }
            result.guard = *guard;
        }
        if (lexer_.kind() != Token::identifier) lexer_.fail("expected an instruction");
        result.opcode = std::string(lexer_.take_opcode());
        if (result.opcode.size() > 1 && result.opcode.back() == ':' &&
            result.opcode.find('.') == std::string::npos) {
            const std::string label = result.opcode.substr(0, result.opcode.size() - 1);
            if (result.guard >= 0) lexer_.fail("a guard before a label");
            return label_or_table(label, result.line);
        }
        if (lexer_.is(":") && result.opcode.find('.') == std::string::npos && result.guard < 0) {
            lexer_.advance();
            return label_or_table(result.opcode, result.line);
        }
        while (!lexer_.is(";")) {
            result.operands.push_back(operand());
            if (result.operands.size() > 64) lexer_.fail("too many operands");
            if (!lexer_.is(";")) lexer_.expect(",");
        }
        lexer_.advance();
        const bool jumps = result.opcode.rfind("bra", 0) == 0 || result.opcode.rfind("brx", 0) == 0;
        if (jumps) {
            for (size_t i = 0; i < result.operands.size(); ++i) {
                if (result.operands[i].kind != OperandKind::symbol) continue;
                result.operands[i].kind = OperandKind::label;
                pending_labels_.push_back(
                    {static_cast<int>(function_.statements.size()), i, scopes_.back().labels});
            }
        }
        function_.statements.push_back(std::move(result));
        if (function_.statements.size() > (1u << 24)) lexer_.fail("too many statements");
    }

    void label_or_table(const std::string & label, int line) {
        if (lexer_.kind() == Token::directive && lexer_.text() == ".branchtargets") {
            lexer_.advance();
            std::vector<std::string> & targets = function_.branch_targets[label];
            do {
                targets.push_back(lexer_.take_identifier("a label"));
            } while (lexer_.accept(","));
            lexer_.expect(";");
            return;
        }
        if (lexer_.kind() == Token::directive && lexer_.text() == ".callprototype") {
            while (!lexer_.at_end() && !lexer_.is(";")) lexer_.advance();
            return lexer_.expect(";");
        }
        define_label(label, line);
    }

    Function & function_;
    Lexer lexer_;
    std::vector<Scope> scopes_;
    std::vector<LabelUse> pending_labels_;
    int scoped_variables_ = 0;
    int scoped_labels_ = 0;
    int depth_ = 0;
};

}  // namespace

int size_of(Type type) {
    for (const TypeName & entry : type_names) {
        if (entry.type == type) return entry.size;
    }
    return 0;
}

bool is_float(Type type) {
    switch (type) {
        case Type::f16:
        case Type::f16x2:
        case Type::bf16:
        case Type::bf16x2:
        case Type::tf32:
        case Type::f32:
        case Type::f64: return true;
        default: return false;
    }
}

bool is_signed(Type type) {
    return type == Type::s8 || type == Type::s16 || type == Type::s32 || type == Type::s64;
}

std::optional<Type> type_named(std::string_view name) {
    for (const TypeName & entry : type_names) {
        if (entry.name == name) return entry.type;
    }
    return std::nullopt;
}

std::unique_ptr<Module> parse_module(std::string text) {
    auto module = std::make_unique<Module>();
    module->text = std::move(text);
    while (!module->text.empty() && module->text.back() == '\0') module->text.pop_back();
    Lexer lexer(module->text, 1);
    bool external = false;
    while (!lexer.at_end()) {
        if (lexer.kind() != Token::directive) lexer.fail("expected a directive");
        const std::string word(lexer.text());
        if (word == ".version") {
            lexer.advance();
            if (lexer.kind() != Token::number) lexer.fail("expected a version");
            module->version = std::string(lexer.text());
            lexer.advance();
        } else if (word == ".target") {
            lexer.advance();
            module->target = lexer.take_identifier("a target");
            while (lexer.accept(",")) lexer.take_identifier("a target option");
        } else if (word == ".address_size") {
            lexer.advance();
            if (small_integer(lexer, 32, 64, "an address size") != 64) {
                lexer.fail("only 64-bit addresses are carried out");
            }
        } else if (word == ".visible" || word == ".weak" || word == ".common") {
            lexer.advance();
        } else if (word == ".extern") {
            lexer.advance();
            external = true;
        } else if (word == ".entry" || word == ".func") {
            lexer.advance();
            function(lexer, *module, word == ".entry");
            external = false;
        } else if (word == ".section") {
            lexer.advance();
            while (!lexer.at_end() && !lexer.is("{")) lexer.advance();
            int line = 0;
            lexer.take_braced(line);
        } else if (word == ".file" || word == ".loc") {
            const int line = lexer.line();
            while (!lexer.at_end() && lexer.line() == line) lexer.advance();
        } else if (word == ".pragma" || word == ".alias") {
            while (!lexer.at_end() && !lexer.is(";")) lexer.advance();
            lexer.expect(";");
        } else if (const auto space = space_of(word)) {
            lexer.advance();
            do {
                module->variables.push_back(variable(lexer, *space, external));
            } while (lexer.accept(","));
            lexer.expect(";");
            external = false;
        } else {
            lexer.fail("an unknown directive");
        }
    }
    if (module->version.empty()) throw Error(1, "no .version directive: this is no PTX");
    if (module->target.empty()) throw Error(1, "no .target directive: this is no PTX");
    return module;
}

void parse_body(Function & function) {
    if (function.parsed) return;
    function.registers.clear();
    function.variables.clear();
    function.statements.clear();
    function.labels.clear();
    Body(function).parse();
    function.parsed = true;
}

}  // namespace llamaproof::ptx
