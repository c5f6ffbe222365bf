// The statements of one function.

#include <cctype>
#include <memory>

#include "declaration.h"
#include "lexer.h"
#include "ptx.h"

namespace llamaproof::ptx {

namespace {

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
                count = take_integer_within(lexer_, 0, 1 << 22, "a register count");
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
            Variable result = take_variable(lexer_, space, external);
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
        if (word == ".pragma") return lexer_.skip_past(";");
        if (word == ".loc" || word == ".file") return lexer_.skip_line();
        lexer_.fail("an unknown directive");
    }

    // The predicate after '|', as in %r1|%p1; -2 for "|_".
    int pair(int line) {
        const std::string name = lexer_.take_identifier("a predicate");
        if (name == "_") return -2;
        const auto found = find_register(name);
        if (!found) throw Error(line, "the register '" + name + "' is not declared");
        return *found;
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
            if (lexer_.accept("|")) operand.pair = pair(line);
            return operand;
        }
        if (name[0] == '%') {
            operand.kind = OperandKind::special;
            operand.name = name;
            return operand;
        }
        operand.kind = OperandKind::symbol;
        operand.name = resolve_variable(name);
        if (lexer_.is_sign()) operand.offset = take_integer(lexer_);
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
                if (lexer_.is_sign()) operand.offset = take_integer(lexer_);
            } else if (base.kind == OperandKind::symbol) {
                operand.name = base.name;
                operand.offset = base.offset;
            } else {
                lexer_.fail("not an address");
            }
        } else {
            operand.offset = take_integer(lexer_);
        }
        lexer_.expect("]");
        return operand;
    }

    Operand vector() {
        const std::string close = lexer_.is("{") ? "}" : ")";
        lexer_.advance();
        Operand result;
        result.kind = OperandKind::vector;
        while (!lexer_.is(close)) {
            result.items.push_back(operand());
            if (result.items.size() > 256) lexer_.fail("too many elements");
            if (!lexer_.is(close)) lexer_.expect(",");
        }
        lexer_.advance();
        return result;
    }

    Operand negated_predicate() {
        lexer_.advance();
        if (lexer_.kind() != Token::identifier) lexer_.fail("expected a predicate");
        Operand result = name_operand();
        if (result.kind != OperandKind::reg) lexer_.fail("expected a predicate");
        result.negated = true;
        return result;
    }

    Operand negative_number() {
        lexer_.advance();
        if (lexer_.kind() != Token::number) lexer_.fail("expected a number");
        Operand result = take_number(lexer_);
        switch (result.kind) {
            case OperandKind::real32: result.bits ^= uint64_t(1) << 31; break;
            case OperandKind::real64: result.bits ^= uint64_t(1) << 63; break;
            default: result.bits = 0 - result.bits; break;
        }
        return result;
    }

    Operand plain_operand() {
        if (lexer_.is("[")) return address();
        if (lexer_.is("{") || lexer_.is("(")) return vector();
        if (lexer_.is("!")) return negated_predicate();
        if (lexer_.is("-")) return negative_number();
        if (lexer_.kind() == Token::number) return take_number(lexer_);
        if (lexer_.kind() == Token::identifier) return name_operand();
        lexer_.fail("expected an operand");
    }

    Operand operand() {
        if (++depth_ > 8) lexer_.fail("operands nested too deeply");
        Operand result = plain_operand();
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

    void open_scope() {
        if (scopes_.size() > 64) lexer_.fail("blocks nested too deeply");
        scopes_.emplace_back();
    }

    void close_scope() {
        if (scopes_.size() == 1) lexer_.fail("a brace too many");
        scopes_.pop_back();
        lexer_.advance();
    }

    void statement() {
        if (lexer_.kind() == Token::directive) return directive();
        if (lexer_.accept(";")) return;
        if (lexer_.accept("{")) return open_scope();
        if (lexer_.is("}")) return close_scope();
        Statement result;
        result.line = lexer_.line();
        if (lexer_.accept("@")) guard(result);
        if (lexer_.kind() != Token::identifier) lexer_.fail("expected an instruction");
        result.opcode = std::string(lexer_.take_opcode());
        if (ends_label(result)) return label_or_table(result.opcode, result.line);
        operands(result);
        note_labels(result);
        function_.statements.push_back(std::move(result));
        if (function_.statements.size() > (1u << 24)) lexer_.fail("too many statements");
    }

    void guard(Statement & statement) {
        statement.guard_negated = lexer_.accept("!");
        const std::string name = lexer_.take_identifier("a guard predicate");
        const auto found = find_register(name);
        if (!found) throw Error(statement.line, "the register '" + name + "' is not declared");
        if (function_.registers[static_cast<size_t>(*found)] != Type::pred) {
            throw Error(statement.line, "the guard '" + name + "' is no predicate");
        }
        statement.guard = *found;
    }

    // Whether what was taken for an opcode is a label; leaves its name without the colon.
    bool ends_label(Statement & statement) {
        std::string & name = statement.opcode;
        if (name.find('.') != std::string::npos) return false;
        if (name.size() > 1 && name.back() == ':') {
            name.pop_back();
        } else if (statement.guard >= 0 || !lexer_.accept(":")) {
            return false;
        }
        if (statement.guard >= 0) lexer_.fail("a guard before a label");
        return true;
    }

    void operands(Statement & statement) {
        while (!lexer_.is(";")) {
            statement.operands.push_back(operand());
            if (statement.operands.size() > 64) lexer_.fail("too many operands");
            if (!lexer_.is(";")) lexer_.expect(",");
        }
        lexer_.advance();
    }

    // The labels of a scope may stand behind the jumps to them.
    void note_labels(Statement & statement) {
        if (statement.opcode.rfind("bra", 0) != 0 && statement.opcode.rfind("brx", 0) != 0) return;
        for (size_t i = 0; i < statement.operands.size(); ++i) {
            if (statement.operands[i].kind != OperandKind::symbol) continue;
            statement.operands[i].kind = OperandKind::label;
            pending_labels_.push_back(
                {static_cast<int>(function_.statements.size()), i, scopes_.back().labels});
        }
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
            return lexer_.skip_past(";");
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
