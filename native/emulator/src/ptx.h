// The text of a PTX module, parsed: variables, functions, statements.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace llamaproof::ptx {

// The text is no PTX, or PTX this emulator does not carry out; `line` counts from 1.
class Error : public std::runtime_error {
public:
    Error(int line, const std::string & what) : std::runtime_error(what), line_(line) {}
    int line() const { return line_; }

private:
    int line_;
};

enum class Space { generic, global, shared, local, param, constant };

// The scalar types of the ISA (section "Fundamental Types" and the packed ones).
enum class Type {
    none,
    b8,
    b16,
    b32,
    b64,
    b128,
    u8,
    u16,
    u32,
    u64,
    s8,
    s16,
    s32,
    s64,
    f16,
    f16x2,
    bf16,
    bf16x2,
    tf32,
    f32,
    f64,
    pred
};

int size_of(Type type);  // bytes; 0 for none, 1 for pred
bool is_float(Type type);
bool is_signed(Type type);
std::optional<Type> type_named(std::string_view name);  // "s32" and the like

enum class OperandKind {
    reg,
    integer,
    real32,
    real64,
    symbol,
    address,
    vector,
    label,
    special,
    sink
};

struct Operand {
    OperandKind kind = OperandKind::sink;
    bool negated = false;  // !p
    int reg = -1;          // reg: index into Function::registers; address: its base register or -1
    int pair = -1;         // reg: the predicate after '|', as in %r1|%p1; -2 for "|_"
    uint64_t bits = 0;     // integer, real32, real64
    int64_t offset = 0;    // symbol, address
    std::string name;      // symbol, label, special; address: its base symbol, or empty
    std::vector<Operand> items;  // vector; and the argument lists of a call
};

struct Statement {
    std::string opcode;  // with its modifiers: "add.rn.f32"
    int guard = -1;      // register index of the guard predicate
    bool guard_negated = false;
    int line = 0;
    std::vector<Operand> operands;
};

struct Initial {
    uint64_t bits = 0;
    std::string symbol;  // the address of this symbol plus bits, where not empty
};

struct Variable {
    std::string name;
    Space space = Space::global;
    Type type = Type::b8;
    int alignment = 1;
    int64_t count = 1;  // elements; 0 for an array of unknown size
    int vector_width = 1;
    bool external = false;
    std::vector<Initial> initial;
    int line = 0;
    int64_t bytes() const { return count * vector_width * size_of(type); }
};

struct Function {
    std::string name;
    bool entry = false;
    bool defined = false;
    int line = 0;
    std::vector<Variable> results;
    std::vector<Variable> params;
    int max_threads = 0;    // .maxntid product, 0 where not given
    std::string_view body;  // between the braces, parsed when asked for
    int body_line = 0;

    // Filled by parse_body().
    bool parsed = false;
    std::vector<Type> registers;
    std::vector<Variable> variables;  // .shared, .local, .param declared in the body
    std::vector<Statement> statements;
    std::unordered_map<std::string, int> labels;  // statement index
    std::unordered_map<std::string, std::vector<std::string>> branch_targets;
};

struct Module {
    std::string text;
    std::string version;
    std::string target;
    std::vector<Variable> variables;
    std::map<std::string, Function> functions;
};

// Parses everything except the bodies of functions.
std::unique_ptr<Module> parse_module(std::string text);

// Parses one function's body, once.
void parse_body(Function & function);

}  // namespace llamaproof::ptx
