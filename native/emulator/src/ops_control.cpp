// Branches, barriers, calls (PTX ISA, "Control Flow Instructions" and "Parallel Synchronization:
// barrier").

#include <algorithm>

#include "decode.h"
#include "reals.h"
#include "rows.h"

namespace llamaproof::emulator {

using ptx::Operand;
using ptx::OperandKind;
using ptx::Type;

namespace {

// Lanes part: each side runs to the block where all paths meet again; those that go there at once
// wait.
void part(Warp & warp, const Inst & inst, const StackEntry * sides, int count) {
    const uint32_t meet = warp.block->launch->kernel->reconverge[inst.pc];
    if (meet != warp.rpc && meet != no_pc) warp.stack.push_back({meet, warp.active, warp.rpc});
    for (int i = 0; i < count; ++i) {
        if (sides[i].pc != meet) warp.stack.push_back({sides[i].pc, sides[i].mask, meet});
    }
    warp.active = 0;  // the next entry of the stack takes over
}

void branch(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint32_t stay = warp.active & ~mask;
    if (stay == 0) {
        warp.pc = inst.op[0];
        return;
    }
    const StackEntry sides[] = {{inst.pc + 1, stay, 0}, {inst.op[0], mask, 0}};
    part(warp, inst, sides, 2);
}

// op: index row, table.
void branch_indexed(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint32_t * index = warp.row<uint32_t>(inst.op[0]);
    const std::vector<uint32_t> & table = warp.block->launch->kernel->jump_tables[inst.op[1]];
    std::vector<StackEntry> sides;
    const auto side = [&](uint32_t pc) -> StackEntry & {
        for (StackEntry & entry : sides) {
            if (entry.pc == pc) return entry;
        }
        sides.push_back({pc, 0, 0});
        return sides.back();
    };
    if (warp.active & ~mask) side(inst.pc + 1).mask |= warp.active & ~mask;
    for (const int lane : lanes_of(mask)) {
        if (index[lane] >= table.size()) {
            stop_at(warp, inst,
                    "the index " + std::to_string(index[lane]) + " is beyond the table of targets");
        }
        side(table[index[lane]]).mask |= 1u << lane;
    }
    if (sides.size() == 1) {
        warp.pc = sides.front().pc;
        return;
    }
    part(warp, inst, sides.data(), static_cast<int>(sides.size()));
}

void leave(Warp & warp, const Inst &, uint32_t mask) {
    warp.exited |= mask;
    warp.active &= ~mask;
}

void trap(Warp & warp, const Inst & inst, uint32_t mask) {
    std::string said = warp.worker->printed;
    if (!said.empty()) said = "; it printed: " + said;
    warp.worker->report(FindingKind::trap, warp, inst, first_lane(mask), 0,
                        "the kernel gave up" + said);
    leave(warp, inst, mask);
}

// imm of the handler below; without the first its warp waits.
constexpr uint64_t barrier_arrives = 1, barrier_counted = 2;

// op: barrier's row, thread count's row.
void barrier(Warp & warp, const Inst & inst, uint32_t mask) {
    const int lane = first_lane(mask);
    const uint32_t id = warp.row<uint32_t>(inst.op[0])[lane];
    const uint32_t count = inst.imm & barrier_counted ? warp.row<uint32_t>(inst.op[1])[lane] : 0;
    if (id >= warp.block->barriers.size()) {
        stop_at(warp, inst, "there are 16 barriers and this is number " + std::to_string(id));
    }
    ++warp.worker->counts.barriers;
    const uint32_t missing = warp.exists & ~warp.exited & ~mask;
    if (missing != 0 && warp.worker->launch->check) {
        warp.worker->report(FindingKind::divergent_barrier, warp, inst, first_lane(missing), 0,
                            std::to_string(__builtin_popcount(missing)) +
                                " lanes of the warp do not reach this barrier with the others");
    }
    if (inst.imm & barrier_arrives) {
        warp.block->barriers[id].arrived += static_cast<uint32_t>(__builtin_popcount(warp.exists));
        return;
    }
    warp.barrier_id = id;
    warp.barrier_threads = count;
    warp.barrier_pc = inst.pc;
    warp.state = WarpState::at_barrier;
}

// op: destination, predicate, its flip, barrier's row; imm: which reduction.
void barrier_reduce(Warp & warp, const Inst & inst, uint32_t mask) {
    Inst plain = inst;
    const uint32_t operands[] = {inst.op[3], 0};
    plain.op = operands;
    plain.imm = 0;
    warp.reduce_in = (warp.predicates[inst.op[1]] ^ inst.op[2]) & mask;
    warp.reduce_inst = &inst;
    barrier(warp, plain, mask);
}

void warp_barrier(Warp & warp, const Inst & inst, uint32_t mask) {
    check_members(warp, inst, mask, warp.row<uint32_t>(inst.op[0]));
}

void nothing(Warp &, const Inst &, uint32_t) {}

// vprintf of one lane: the format and its arguments as text.
class Formatting {
public:
    Formatting(const Warp & warp, int lane, uint64_t arguments)
        : warp_(warp), lane_(lane), at_(arguments) {}

    std::string text(uint64_t format) {
        const std::string pattern = text_at(format);
        std::string out;
        size_t i = 0;
        while (i < pattern.size()) {
            const size_t percent = std::min(pattern.find('%', i), pattern.size());
            out.append(pattern, i, percent - i);
            if (percent == pattern.size()) break;
            const size_t kind = std::min(
                pattern.find_first_not_of("0123456789.+-# lzh", percent + 1), pattern.size());
            const std::string_view flags =
                std::string_view(pattern).substr(percent + 1, kind - percent - 1);
            const bool is_long = flags.find_first_of("lz") != std::string_view::npos;
            out += one(kind < pattern.size() ? pattern[kind] : '%', is_long);
            i = kind + 1;
        }
        return out;
    }

private:
    std::string one(char kind, bool is_long) {
        switch (kind) {
            case '%': return "%";
            case 's': return text_at(next(8));
            case 'p': return std::to_string(next(8));
            case 'd':
            case 'i':
                return is_long ? std::to_string(static_cast<int64_t>(next(8)))
                               : std::to_string(static_cast<int32_t>(next(4)));
            case 'u':
            case 'x':
            case 'c': return std::to_string(next(is_long ? 8 : 4));
            default: return std::to_string(double_of(next(8)));
        }
    }

    uint64_t next(uint64_t bytes) {
        at_ = (at_ + bytes - 1) / bytes * bytes;
        uint64_t value = 0;
        for (uint64_t i = 0; i < bytes; ++i) {
            value |= static_cast<uint64_t>(std::max(0, byte_at(at_ + i))) << (8 * i);
        }
        at_ += bytes;
        return value;
    }

    std::string text_at(uint64_t address) const {
        std::string text;
        while (text.size() < 400) {
            const int c = byte_at(address + text.size());
            if (c <= 0) break;
            text += static_cast<char>(c);
        }
        return text;
    }

    // -1 where there is no memory.
    int byte_at(uint64_t address) const {
        if (address - local_window < window_size) {
            const uint64_t offset = address - local_window;
            const uint32_t size = warp_.block->launch->kernel->local_bytes;
            return offset < size ? warp_.local[static_cast<size_t>(lane_) * size + offset] : -1;
        }
        const Allocation * allocation = warp_.block->launch->memory->find(address);
        return allocation == nullptr ? -1 : *allocation->at(address);
    }

    const Warp & warp_;
    int lane_;
    uint64_t at_;  // the next argument
};

// op: offset of the result, of the format, of the arguments in the call's parameters.
void call_vprintf(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint32_t size = warp.block->launch->kernel->call_param_bytes;
    for (const int lane : lanes_of(mask)) {
        uint8_t * own = warp.call_params + static_cast<size_t>(lane) * size;
        uint64_t format = 0, arguments = 0;
        std::memcpy(&format, own + inst.op[1], 8);
        std::memcpy(&arguments, own + inst.op[2], 8);
        std::string & printed = warp.worker->printed;
        if (printed.size() < 4096) {
            printed += Formatting(warp, lane, arguments).text(format);
        }
        const uint32_t result = 1;
        std::memcpy(own + inst.op[0], &result, sizeof result);
    }
}

// __assertfail(message, file, line, function, size): op: their offsets.
void call_assertfail(Warp & warp, const Inst & inst, uint32_t mask) {
    const int lane = first_lane(mask);
    const uint8_t * own =
        warp.call_params + static_cast<size_t>(lane) * warp.block->launch->kernel->call_param_bytes;
    uint64_t message = 0, file = 0;
    uint32_t line = 0;
    std::memcpy(&message, own + inst.op[0], 8);
    std::memcpy(&file, own + inst.op[1], 8);
    std::memcpy(&line, own + inst.op[2], 4);
    const auto text = [&](uint64_t address) {
        std::string out;
        const Allocation * allocation = warp.block->launch->memory->find(address);
        while (allocation != nullptr && allocation->holds(address, 1) && out.size() < 300 &&
               *allocation->at(address) != 0) {
            out += static_cast<char>(*allocation->at(address++));
        }
        return out;
    };
    warp.worker->report(
        FindingKind::trap, warp, inst, lane, 0,
        "an assertion failed: " + text(message) + " at " + text(file) + ":" + std::to_string(line));
    leave(warp, inst, mask);
}

uint32_t call_offset(Decoding & d, const Operand & operand) {
    const Place * place =
        operand.kind == OperandKind::symbol ? d.decoder().find(operand.name) : nullptr;
    if (place == nullptr || place->space != ptx::Space::param || place->address < call_param_base) {
        d.fail("an argument is no call parameter");
    }
    return static_cast<uint32_t>(place->address - call_param_base);
}

struct Call {
    const Operand * results = nullptr;
    const Operand * name = nullptr;
    const Operand * arguments = nullptr;

    bool is(std::string_view function, size_t result_count, size_t argument_count) const {
        const auto has = [](const Operand * list, size_t n) {
            return n == 0 || (list != nullptr && list->items.size() == n);
        };
        return name->name == function && has(results, result_count) &&
               has(arguments, argument_count);
    }
};

Call call_of(Decoding & d) {
    Call call;
    for (size_t i = 0; i < d.count(); ++i) {
        const Operand & operand = d.arg(i);
        if (operand.kind == OperandKind::vector) {
            (call.name == nullptr ? call.results : call.arguments) = &operand;
        } else if (operand.kind == OperandKind::symbol && call.name == nullptr) {
            call.name = &operand;
        }
    }
    if (call.name == nullptr) d.fail("calls through a register are not known");
    return call;
}

void emit_warp_barrier(Decoding & d) {
    if (!d.take("sync")) d.fail("this form is not known");
    d.expect_count(1);
    d.push(d.row(0, 4));
    d.emit(warp_barrier, InstClass::barrier);
}

void emit_barrier_reduce(Decoding & d) {
    const bool popc = d.take("popc"), conjunction = d.take("and"), disjunction = d.take("or");
    if (popc + conjunction + disjunction != 1) d.fail("it names no reduction");
    d.take_type();
    d.expect_count(3);  // a thread count is not carried out
    d.push(popc ? d.destination(0, 4) : d.predicate(d.arg(0)));
    d.push_predicate(d.arg(2));
    d.push(d.row(1, 4));
    d.imm(popc ? reduce_popc : conjunction ? reduce_and : reduce_or);
    d.emit(barrier_reduce, InstClass::barrier);
}

}  // namespace

void check_members(Warp & warp, const Inst & inst, uint32_t mask, const uint32_t * members) {
    if (!warp.worker->launch->check) return;
    for (const int lane : lanes_of(mask)) {
        const uint32_t named = members[lane];
        const uint32_t missing = named & warp.exists & ~warp.exited & ~mask;
        if (missing != 0) {
            warp.worker->report(FindingKind::missing_lane, warp, inst, first_lane(missing), 0,
                                "the mask names lane " + std::to_string(first_lane(missing)) +
                                    ", which does not execute this instruction");
            return;
        }
        if (((named >> lane) & 1) == 0) {
            warp.worker->report(
                FindingKind::missing_lane, warp, inst, lane, 0,
                "lane " + std::to_string(lane) + " executes this and is not in its own mask");
            return;
        }
    }
}

void decode_bra(Decoding & d) {
    d.take("uni");
    d.expect_count(1);
    d.push(d.label(d.arg(0)));
    d.emit(branch, InstClass::control);
}

void decode_brx(Decoding & d) {
    if (!d.take("idx")) d.fail("this form is not known");
    d.take("uni");
    d.expect_count(2);
    const auto found = d.decoder().function().branch_targets.find(d.arg(1).name);
    if (found == d.decoder().function().branch_targets.end()) {
        d.fail("its table of targets is not known");
    }
    std::vector<uint32_t> table;
    for (const std::string & name : found->second) {
        table.push_back(static_cast<uint32_t>(d.decoder().function().labels.at(name)));
    }
    d.push({d.row(0, 4), static_cast<uint32_t>(d.kernel().jump_tables.size())});
    d.kernel().jump_tables.push_back(std::move(table));
    d.emit(branch_indexed, InstClass::control);
}

void decode_exit(Decoding & d) {
    d.take("uni");
    d.expect_count(0);
    d.emit(leave, InstClass::control);
}

void decode_trap(Decoding & d) {
    d.expect_count(0);
    d.emit(trap, InstClass::control);
}

void decode_call(Decoding & d) {
    d.take("uni");
    const Call call = call_of(d);
    if (call.is("vprintf", 1, 2)) {
        d.push({call_offset(d, call.results->items[0]), call_offset(d, call.arguments->items[0]),
                call_offset(d, call.arguments->items[1])});
        return d.emit(call_vprintf, InstClass::control);
    }
    if (!call.is("__assertfail", 0, 5)) {
        d.fail("the function '" + call.name->name + "' is not known");
    }
    for (size_t i = 0; i < 3; ++i) d.push(call_offset(d, call.arguments->items[i]));
    d.emit(call_assertfail, InstClass::control);
}

void decode_barrier(Decoding & d) {
    if (d.take("warp")) return emit_warp_barrier(d);
    d.take("cta");
    d.take("aligned");
    if (d.take("red")) return emit_barrier_reduce(d);
    const bool arrives = d.take("arrive");
    if (!arrives && !d.take("sync")) d.fail("this form is not known");
    d.expect_count(arrives ? 2 : 1, 2);
    const bool counted = d.count() == 2;
    d.push({d.row(0, 4), counted ? d.row(1, 4) : 0});
    d.imm((arrives ? barrier_arrives : 0) | (counted ? barrier_counted : 0));
    d.emit(barrier, InstClass::barrier);
}

void decode_nanosleep(Decoding & d) {
    d.take_type();
    d.emit(nothing, InstClass::control);
}

// Launches run one after the other: what it waits for is over.
void decode_griddepcontrol(Decoding & d) {
    if (!d.take("wait") && !d.take("launch_dependents")) d.fail("this form is not known");
    d.emit(nothing, InstClass::control);
}

}  // namespace llamaproof::emulator
