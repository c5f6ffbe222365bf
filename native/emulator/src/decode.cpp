#include "decode.h"

#include <algorithm>
#include <set>

#include "opcodes.h"
#include "reals.h"

namespace llamaproof::emulator {

using ptx::Operand;
using ptx::OperandKind;
using ptx::Space;
using ptx::Type;

namespace {

uint64_t narrowed(uint64_t value, int bytes) {
    return bytes >= 8 ? value : value & ((uint64_t(1) << (8 * bytes)) - 1);
}

uint64_t immediate_bits(const Operand & operand, int bytes) {
    if (operand.kind == OperandKind::real64 && bytes == 4) {
        return bits_of(static_cast<float>(double_of(operand.bits)));
    }
    if (operand.kind == OperandKind::real32 && bytes == 8) {
        return bits_of(static_cast<double>(float_of(static_cast<uint32_t>(operand.bits))));
    }
    return operand.bits;
}

std::optional<SpecialRegister> special_named(std::string_view name) {
    // One device of one cluster a block: what tells clusters and multiprocessors apart is constant.
    static constexpr struct {
        std::string_view name;
        SpecialRegister which;
    } names[] = {{"%tid.x", SpecialRegister::tid_x},
                 {"%tid.y", SpecialRegister::tid_y},
                 {"%tid.z", SpecialRegister::tid_z},
                 {"%ntid.x", SpecialRegister::ntid_x},
                 {"%ntid.y", SpecialRegister::ntid_y},
                 {"%ntid.z", SpecialRegister::ntid_z},
                 {"%ctaid.x", SpecialRegister::ctaid_x},
                 {"%ctaid.y", SpecialRegister::ctaid_y},
                 {"%ctaid.z", SpecialRegister::ctaid_z},
                 {"%nctaid.x", SpecialRegister::nctaid_x},
                 {"%nctaid.y", SpecialRegister::nctaid_y},
                 {"%nctaid.z", SpecialRegister::nctaid_z},
                 {"%laneid", SpecialRegister::laneid},
                 {"%warpid", SpecialRegister::warpid},
                 {"%nwarpid", SpecialRegister::nwarpid},
                 {"%lanemask_eq", SpecialRegister::lanemask_eq},
                 {"%lanemask_lt", SpecialRegister::lanemask_lt},
                 {"%lanemask_le", SpecialRegister::lanemask_le},
                 {"%lanemask_gt", SpecialRegister::lanemask_gt},
                 {"%lanemask_ge", SpecialRegister::lanemask_ge},
                 {"%dynamic_smem_size", SpecialRegister::dynamic_smem_size},
                 {"%total_smem_size", SpecialRegister::total_smem_size},
                 {"%smid", SpecialRegister::zero},
                 {"%nsmid", SpecialRegister::one},
                 {"%gridid", SpecialRegister::zero},
                 {"%clusterid.x", SpecialRegister::ctaid_x},
                 {"%clusterid.y", SpecialRegister::ctaid_y},
                 {"%clusterid.z", SpecialRegister::ctaid_z},
                 {"%nclusterid.x", SpecialRegister::nctaid_x},
                 {"%nclusterid.y", SpecialRegister::nctaid_y},
                 {"%nclusterid.z", SpecialRegister::nctaid_z},
                 {"%cluster_ctarank", SpecialRegister::zero},
                 {"%cluster_nctarank", SpecialRegister::one},
                 {"%cluster_ctaid.x", SpecialRegister::zero},
                 {"%cluster_ctaid.y", SpecialRegister::zero},
                 {"%cluster_ctaid.z", SpecialRegister::zero},
                 {"%cluster_nctaid.x", SpecialRegister::one},
                 {"%cluster_nctaid.y", SpecialRegister::one},
                 {"%cluster_nctaid.z", SpecialRegister::one}};
    for (const auto & entry : names) {
        if (entry.name == name) return entry.which;
    }
    // Read-only values that the driver sets; it sets none for what the runtime launches.
    if (name.rfind("%envreg", 0) == 0) return SpecialRegister::zero;
    return std::nullopt;
}

void note_names(const Operand & operand, std::set<std::string_view> & names) {
    names.insert(operand.name);
    for (const Operand & item : operand.items) note_names(item, names);
}

uint32_t align_up(uint32_t value, uint32_t alignment) {
    return (value + alignment - 1) & ~(alignment - 1);
}

}  // namespace

Decoding::Decoding(Decoder & decoder, const ptx::Statement & statement)
    : decoder_(decoder), statement_(statement) {
    const std::string_view opcode = statement.opcode;
    size_t begin = opcode.find('.');
    root_ = opcode.substr(0, begin);
    while (begin != std::string_view::npos) {
        size_t end = opcode.find('.', begin + 1);
        modifiers_.push_back(
            opcode.substr(begin + 1, end == std::string_view::npos ? end : end - begin - 1));
        begin = end;
    }
}

bool Decoding::peek(std::string_view modifier) const {
    return std::find(modifiers_.begin(), modifiers_.end(), modifier) != modifiers_.end();
}

bool Decoding::take(std::string_view modifier) {
    const auto found = std::find(modifiers_.begin(), modifiers_.end(), modifier);
    if (found == modifiers_.end()) return false;
    modifiers_.erase(found);
    return true;
}

std::optional<std::string_view> Decoding::take_one_of(
    std::initializer_list<std::string_view> modifiers) {
    for (const std::string_view modifier : modifiers) {
        if (take(modifier)) return modifier;
    }
    return std::nullopt;
}

std::optional<std::string_view> Decoding::take_earliest_of(
    std::initializer_list<std::string_view> modifiers) {
    const auto found = std::find_first_of(modifiers_.begin(), modifiers_.end(), modifiers.begin(),
                                          modifiers.end());
    if (found == modifiers_.end()) return std::nullopt;
    const std::string_view taken = *found;
    modifiers_.erase(found);
    return taken;
}

std::optional<Type> Decoding::take_type_if_any() {
    for (auto modifier = modifiers_.begin(); modifier != modifiers_.end(); ++modifier) {
        if (const auto type = ptx::type_named(*modifier)) {
            modifiers_.erase(modifier);
            return type;
        }
    }
    return std::nullopt;
}

Type Decoding::take_type() {
    const auto type = take_type_if_any();
    if (!type) fail("it names no type");
    return *type;
}

void Decoding::expect_count(size_t low, size_t high) const {
    if (count() < low || count() > high) fail("it has " + std::to_string(count()) + " operands");
}

const Operand & Decoding::arg(size_t i) const {
    if (i >= count()) fail("it has " + std::to_string(count()) + " operands");
    return statement_.operands[i];
}

void Decoding::fail(const std::string & what) const {
    throw ptx::Error(statement_.line,
                     "the instruction '" + statement_.opcode + "' is not carried out: " + what);
}

RowRef Decoding::any_row(const Operand & operand, int bytes_of_immediate) {
    switch (operand.kind) {
        case OperandKind::reg: {
            if (operand.negated || operand.pair != -1) fail("a register is negated or paired");
            const Type type = decoder_.register_type(operand.reg);
            if (type == Type::pred) fail("a predicate stands where a value is read");
            return {decoder_.register_offset(operand.reg), std::max(2, ptx::size_of(type))};
        }
        case OperandKind::integer:
        case OperandKind::real32:
        case OperandKind::real64: {
            const int bytes = std::max(2, bytes_of_immediate);
            return {decoder_.constant_row(narrowed(immediate_bits(operand, bytes), bytes), bytes),
                    bytes};
        }
        case OperandKind::special: {
            const auto offset = decoder_.special_row(operand.name);
            if (!offset) fail("the special register " + operand.name + " is not known");
            return {*offset, 4};
        }
        case OperandKind::symbol: {
            const Place * place = decoder_.find(operand.name);
            if (!place) fail("the symbol '" + operand.name + "' is not known");
            const int bytes = bytes_of_immediate;
            if (bytes < 4) fail("an address in fewer than 32 bits");
            return {
                decoder_.constant_row(
                    narrowed(place->address + static_cast<uint64_t>(operand.offset), bytes), bytes),
                bytes};
        }
        default: fail("an operand is of another kind than a value");
    }
}

uint32_t Decoding::row(const Operand & operand, int bytes) {
    const RowRef ref = any_row(operand, bytes);
    if (ref.bytes != bytes) fail("an operand is " + std::to_string(8 * ref.bytes) + " bits wide");
    return ref.offset;
}

uint32_t Decoding::destination(const Operand & operand, int bytes) {
    if (operand.kind == OperandKind::sink) return scratch(bytes);
    if (operand.kind != OperandKind::reg) fail("its destination is no register");
    return row(operand, bytes);
}

void Decoding::push_alike(size_t sources, int bytes) {
    expect_count(sources + 1);
    push(destination(0, bytes));
    for (size_t i = 1; i <= sources; ++i) push(row(i, bytes));
}

uint32_t Decoding::scratch(int bytes) { return decoder_.scratch_row(bytes); }

uint32_t Decoding::predicate(const Operand & operand) {
    if (operand.kind == OperandKind::sink) return decoder_.sink_predicate();
    if (operand.kind != OperandKind::reg || decoder_.register_type(operand.reg) != Type::pred ||
        operand.negated) {
        fail("expected a predicate");
    }
    return decoder_.register_offset(operand.reg);
}

uint32_t Decoding::predicate_or_sink(int reg) {
    if (reg < 0) return decoder_.sink_predicate();
    if (decoder_.register_type(reg) != Type::pred) fail("expected a predicate after '|'");
    return decoder_.register_offset(reg);
}

void Decoding::push_predicate(const Operand & operand) {
    Operand plain = operand;
    plain.negated = false;
    if (plain.kind == OperandKind::sink) fail("'_' cannot be read");
    push({predicate(plain), operand.negated ? full_mask : 0});
}

std::optional<int64_t> Decoding::constant(const Operand & operand) const {
    if (operand.kind != OperandKind::integer) return std::nullopt;
    return static_cast<int64_t>(operand.bits);
}

int64_t Decoding::need_constant(const Operand & operand, const char * what) const {
    const auto value = constant(operand);
    if (!value) fail(std::string(what) + " must be a constant");
    return *value;
}

AddressRef Decoding::address(const Operand & operand, Space space) {
    if (operand.kind != OperandKind::address) fail("expected an address in brackets");
    AddressRef ref;
    ref.offset = operand.offset;
    if (operand.reg >= 0) {
        Operand base;
        base.kind = OperandKind::reg;
        base.reg = operand.reg;
        ref.base = any_row(base, 8);
        if (ref.base.bytes < 4) fail("an address register of 16 bits");
        ref.has_base = true;
    } else if (!operand.name.empty()) {
        const Place * place = decoder_.find(operand.name);
        if (!place) fail("the symbol '" + operand.name + "' is not known");
        // Unsigned: the offset may be anything.
        ref.offset = static_cast<int64_t>(static_cast<uint64_t>(ref.offset) + place->address);
        ref.symbol_space = place->space;
        if (space != place->space && !(space == Space::generic)) {
            fail("the symbol '" + operand.name + "' is in another state space");
        }
    }
    return ref;
}

uint32_t Decoding::label(const Operand & operand) const {
    const auto found = decoder_.function().labels.find(operand.name);
    if (operand.kind != OperandKind::label || found == decoder_.function().labels.end()) {
        fail("expected a label");
    }
    return static_cast<uint32_t>(found->second);
}

Kernel & Decoding::kernel() { return decoder_.kernel(); }

void Decoding::done(Inst & inst, std::vector<uint32_t> & operands) {
    if (handler_ == nullptr) fail("this form is not known");
    if (!modifiers_.empty()) {
        fail("the modifier '." + std::string(modifiers_.front()) + "' is not known here");
    }
    inst.run = handler_;
    inst.cls = cls_;
    inst.imm = imm_;
    operands = std::move(operands_);
}

Decoder::Decoder(const ptx::Module & module, ptx::Function & function, const Places & globals)
    : module_(module),
      function_(function),
      globals_(globals),
      kernel_(std::make_unique<Kernel>()) {}

const Place * Decoder::find(const std::string & symbol) const {
    if (const auto local = locals_.find(symbol); local != locals_.end()) return &local->second;
    if (const auto global = globals_.find(symbol); global != globals_.end()) return &global->second;
    return nullptr;
}

uint32_t Decoder::constant_row(uint64_t value, int bytes) {
    const auto [found, fresh] = constants_.try_emplace({value, bytes}, 0);
    if (fresh) {
        found->second = rows_.bytes + next_row_;
        kernel_->constants.resize(next_row_ + static_cast<uint32_t>(bytes) * lanes);
        for (int lane = 0; lane < lanes; ++lane) {
            std::memcpy(kernel_->constants.data() + next_row_ + lane * bytes, &value,
                        static_cast<size_t>(bytes));
        }
        next_row_ += static_cast<uint32_t>(bytes) * lanes;
    }
    return found->second;
}

std::optional<uint32_t> Decoder::special_row(const std::string & name) {
    const auto which = special_named(name);
    if (!which) return std::nullopt;
    const auto [found, fresh] = specials_.try_emplace(name, 0);
    if (fresh) {
        found->second = rows_.bytes + next_row_;
        next_row_ += 4 * lanes;
        kernel_->constants.resize(next_row_);
        kernel_->specials.push_back({found->second, *which});
    }
    return found->second;
}

uint32_t Decoder::scratch_row(int bytes) {
    const auto [found, fresh] = scratch_.try_emplace(bytes, 0);
    if (fresh) {
        found->second = rows_.bytes + next_row_;
        next_row_ += static_cast<uint32_t>(bytes) * lanes;
        kernel_->constants.resize(next_row_);
    }
    return found->second;
}

uint32_t Decoder::sink_predicate() { return rows_.predicates; }

void Decoder::lay_out_params() {
    uint32_t at = 0;
    for (const ptx::Variable & param : function_.params) {
        if (param.bytes() > 65536 || param.count == 0) {
            throw ptx::Error(param.line, "a parameter of unusual size");
        }
        at = align_up(at, static_cast<uint32_t>(param.alignment));
        locals_[param.name] = {Space::param, at};
        kernel_->params.push_back(
            {at, static_cast<uint32_t>(param.bytes()), static_cast<uint32_t>(param.alignment)});
        at += static_cast<uint32_t>(param.bytes());
        if (at > 65536) throw ptx::Error(param.line, "more than 64 KiB of parameters");
    }
    kernel_->param_bytes = at;
}

void Decoder::place(uint64_t & at, const ptx::Variable & variable) {
    const auto alignment = static_cast<uint64_t>(variable.alignment);
    at = (at + alignment - 1) / alignment * alignment;
    locals_[variable.name] = {variable.space, at};
    at += static_cast<uint64_t>(variable.bytes());
    if (at > (uint64_t(1) << 26)) {
        throw ptx::Error(variable.line, "the variables of this kernel take too much memory");
    }
}

std::vector<const ptx::Variable *> Decoder::own_variables() const {
    std::set<std::string_view> named;
    for (const ptx::Statement & statement : function_.statements) {
        for (const Operand & operand : statement.operands) note_names(operand, named);
    }
    std::vector<const ptx::Variable *> own;
    for (const ptx::Variable & variable : module_.variables) {
        // Module-level shared variables belong to a kernel only where it names them.
        if (variable.space == Space::shared && named.count(variable.name) != 0) {
            own.push_back(&variable);
        }
    }
    for (const ptx::Variable & variable : function_.variables) own.push_back(&variable);
    return own;
}

void Decoder::lay_out_variables() {
    // Static shared memory first, then, aligned, what all `extern .shared` arrays share.
    uint64_t shared = 0, local = 0, call = 0;
    int dynamic_alignment = 16;
    std::vector<std::string> dynamic;
    for (const ptx::Variable * variable : own_variables()) {
        if (variable->space == Space::shared && (variable->external || variable->count == 0)) {
            dynamic.push_back(variable->name);
            dynamic_alignment = std::max(dynamic_alignment, variable->alignment);
        } else if (variable->space == Space::shared) {
            place(shared, *variable);
        } else if (variable->space == Space::local) {
            place(local, *variable);
        } else if (variable->space == Space::param) {
            // The arguments of calls: kept per thread beside the kernel's own parameters.
            place(call, *variable);
            locals_[variable->name].address += call_param_base;
        } else {
            throw ptx::Error(variable->line,
                             "the variable '" + variable->name + "' has no business in a function");
        }
    }
    kernel_->static_shared = static_cast<uint32_t>(shared);
    kernel_->dynamic_shared_at =
        align_up(kernel_->static_shared, static_cast<uint32_t>(dynamic_alignment));
    kernel_->local_bytes = align_up(static_cast<uint32_t>(local), 16);
    kernel_->call_param_bytes = align_up(static_cast<uint32_t>(call), 16);
    for (const std::string & name : dynamic) {
        locals_[name] = {Space::shared, kernel_->dynamic_shared_at};
    }
}

void Decoder::decode_at(size_t index, const ptx::Statement & statement) {
    Inst & inst = kernel_->code[index];
    statement_index_ = static_cast<int>(index);
    inst.pc = static_cast<uint32_t>(index);
    inst.line = statement.line;
    if (statement.guard >= 0) {
        inst.guard = static_cast<int32_t>(rows_.offset[static_cast<size_t>(statement.guard)]);
        inst.guard_flip = statement.guard_negated ? full_mask : 0;
    }
    kernel_->text[index] = statement.opcode;
    Decoding decoding(*this, statement);
    decode_statement(decoding);
    decoding.done(inst, operands_[index]);
    const int meet = flow_.reconverge_of(index);
    if (meet >= 0) kernel_->reconverge[index] = static_cast<uint32_t>(meet);
}

// All operands into one array that stays where it is.
void Decoder::lay_out_operands() {
    size_t total = 0;
    for (const auto & list : operands_) total += list.size();
    kernel_->operands.reserve(total);
    for (size_t i = 0; i < operands_.size(); ++i) {
        kernel_->code[i].op = kernel_->operands.data() + kernel_->operands.size();
        kernel_->operands.insert(kernel_->operands.end(), operands_[i].begin(), operands_[i].end());
    }
}

std::unique_ptr<Kernel> Decoder::decode() {
    ptx::parse_body(function_);
    if (!function_.entry) throw ptx::Error(function_.line, "'" + function_.name + "' is no kernel");
    kernel_->name = function_.name;
    kernel_->max_threads = function_.max_threads;
    lay_out_params();
    lay_out_variables();
    flow_ = flow_of(function_);
    rows_ = assign_rows(function_, flow_);
    kernel_->register_bytes = rows_.bytes;

    const size_t count = function_.statements.size();
    kernel_->code.resize(count + 1);
    kernel_->reconverge.assign(count + 1, no_pc);
    kernel_->text.resize(count + 1);
    operands_.resize(count + 1);
    for (size_t i = 0; i < count; ++i) decode_at(i, function_.statements[i]);
    // Falling off the end is a return.
    ptx::Statement end;
    end.opcode = "ret";
    end.line = count == 0 ? function_.line : function_.statements.back().line;
    decode_at(count, end);
    lay_out_operands();
    kernel_->predicates = rows_.predicates + 1;
    // The statements have done their duty.
    function_.statements.clear();
    function_.statements.shrink_to_fit();
    function_.parsed = false;
    return std::move(kernel_);
}

std::unique_ptr<Kernel> decode(const ptx::Module & module, ptx::Function & function,
                               const Places & globals) {
    return Decoder(module, function, globals).decode();
}

}  // namespace llamaproof::emulator
