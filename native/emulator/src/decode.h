// From a parsed function to a Kernel: each statement becomes an instruction whose handler and rows
// are settled.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flow.h"
#include "machine.h"
#include "ptx.h"
#include "register_rows.h"

namespace llamaproof::emulator {

// Where a symbol lives: its address for global and constant variables, its offset in the other
// spaces.
struct Place {
    ptx::Space space = ptx::Space::global;
    uint64_t address = 0;
};
using Places = std::map<std::string, Place>;

std::unique_ptr<Kernel> decode(const ptx::Module & module, ptx::Function & function,
                               const Places & globals);

// In the param space, the arguments of calls begin here; the kernel's own parameters lie below.
constexpr uint64_t call_param_base = uint64_t(1) << 20;

struct RowRef {
    uint32_t offset = 0;
    int bytes = 0;
};

struct AddressRef {
    bool has_base = false;
    RowRef base;         // 4- or 8-byte row
    int64_t offset = 0;  // symbol's address included
    std::optional<ptx::Space> symbol_space;
};

// One statement being decoded.
class Decoding {
public:
    Decoding(class Decoder & decoder, const ptx::Statement & statement);

    std::string_view root() const { return root_; }

    // Modifiers are taken one by one; done() stops at any that nobody took.
    bool take(std::string_view modifier);
    bool peek(std::string_view modifier) const;
    std::optional<std::string_view> take_one_of(std::initializer_list<std::string_view> modifiers);
    // The first of the opcode's modifiers that is among these.
    std::optional<std::string_view> take_earliest_of(
        std::initializer_list<std::string_view> modifiers);
    ptx::Type take_type();  // the next type among the modifiers; fails if there is none
    std::optional<ptx::Type> take_type_if_any();

    size_t count() const { return statement_.operands.size(); }
    void expect_count(size_t low, size_t high) const;
    void expect_count(size_t n) const { expect_count(n, n); }
    const ptx::Operand & arg(size_t i) const;

    // The row of an operand that must be exactly `bytes` wide; immediates become constant rows.
    uint32_t row(size_t i, int bytes) { return row(arg(i), bytes); }
    uint32_t row(const ptx::Operand & operand, int bytes);
    RowRef any_row(const ptx::Operand & operand, int bytes_of_immediate);
    uint32_t destination(size_t i, int bytes) { return destination(arg(i), bytes); }
    uint32_t destination(const ptx::Operand & operand, int bytes);
    uint32_t scratch(int bytes);                        // a row nobody reads, for '_'
    uint32_t predicate(const ptx::Operand & operand);   // index; fails when negated
    uint32_t predicate_or_sink(int reg);                // for the second half of a pair
    void push_predicate(const ptx::Operand & operand);  // index, flip
    std::optional<int64_t> constant(const ptx::Operand & operand) const;
    int64_t need_constant(const ptx::Operand & operand, const char * what) const;
    AddressRef address(const ptx::Operand & operand, ptx::Space space);
    uint32_t label(const ptx::Operand & operand) const;  // instruction index
    Kernel & kernel();
    class Decoder & decoder() { return decoder_; }
    const ptx::Statement & statement() const { return statement_; }

    void emit(Handler handler, InstClass cls) {
        handler_ = handler;
        cls_ = cls;
    }
    void push(uint32_t value) { operands_.push_back(value); }
    void push(std::initializer_list<uint32_t> values) { operands_.insert(operands_.end(), values); }
    // The rows of a destination and of `sources` operands that are all `bytes` wide, and no others.
    void push_alike(size_t sources, int bytes);
    void imm(uint64_t value) { imm_ = value; }

    [[noreturn]] void fail(const std::string & what) const;
    void done(Inst & inst, std::vector<uint32_t> & operands);

private:
    class Decoder & decoder_;
    const ptx::Statement & statement_;
    std::string_view root_;
    std::vector<std::string_view> modifiers_;
    Handler handler_ = nullptr;
    InstClass cls_ = InstClass::other;
    uint64_t imm_ = 0;
    std::vector<uint32_t> operands_;
};

void decode_quad_mma(Decoding & d);  // mma.m8n8k4, from its layouts on

// Null for a width that has no handler.
inline Handler by_bytes(int bytes, Handler two, Handler four, Handler eight) {
    switch (bytes) {
        case 2: return two;
        case 4: return four;
        case 8: return eight;
        default: return nullptr;
    }
}

class Decoder {
public:
    Decoder(const ptx::Module & module, ptx::Function & function, const Places & globals);
    std::unique_ptr<Kernel> decode();

    const ptx::Function & function() const { return function_; }
    Kernel & kernel() { return *kernel_; }
    uint32_t constant_row(uint64_t value, int bytes);
    // Nothing where the name is not known.
    std::optional<uint32_t> special_row(const std::string & name);
    uint32_t scratch_row(int bytes);
    uint32_t register_offset(int reg) const { return rows_.offset[static_cast<size_t>(reg)]; }
    ptx::Type register_type(int reg) const { return function_.registers[static_cast<size_t>(reg)]; }
    const Place * find(const std::string & symbol) const;
    uint32_t sink_predicate();
    int statement_index() const { return statement_index_; }
    const Flow & flow() const { return flow_; }

private:
    void lay_out_params();
    void place(uint64_t & at, const ptx::Variable & variable);
    std::vector<const ptx::Variable *> own_variables() const;
    void lay_out_variables();
    void decode_at(size_t index, const ptx::Statement & statement);
    void lay_out_operands();

    const ptx::Module & module_;
    ptx::Function & function_;
    const Places & globals_;
    Places locals_;
    Flow flow_;
    Rows rows_;
    std::unique_ptr<Kernel> kernel_;
    std::vector<std::vector<uint32_t>> operands_;  // of each instruction
    std::map<std::pair<uint64_t, int>, uint32_t> constants_;
    std::map<std::string, uint32_t> specials_;
    std::map<int, uint32_t> scratch_;
    uint32_t next_row_ = 0;  // relative to the constants' begin
    int statement_index_ = 0;
};

}  // namespace llamaproof::emulator
