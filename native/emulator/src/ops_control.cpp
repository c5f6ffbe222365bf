// Branches, barriers, calls (PTX ISA, "Control Flow Instructions" and "Parallel Synchronization:
// barrier").

#include <algorithm>

#include "decode.h"
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
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
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

// op: barrier's row, thread count's row; imm: 0 sync, 1 arrive, with 2 added where a count is
// given, 4 unaligned.
void barrier(Warp & warp, const Inst & inst, uint32_t mask) {
    const int lane = first_lane(mask);
    const uint32_t id = warp.row<uint32_t>(inst.op[0])[lane];
    const uint32_t count = inst.imm & 2 ? warp.row<uint32_t>(inst.op[1])[lane] : 0;
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
    if (inst.imm & 1) {
        warp.block->barriers[id].arrived += static_cast<uint32_t>(__builtin_popcount(warp.exists));
        return;
    }
    warp.barrier_id = id;
    warp.barrier_threads = count;
    warp.barrier_pc = inst.pc;
    warp.state = WarpState::at_barrier;
}

// op: destination, predicate, its flip, barrier's row; imm: 0 and, 1 or, 2 popc.
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

// vprintf: the format and arguments of the first lane, as text. imm: where the result goes in the
// call's parameters.
std::string formatted(Warp & warp, int lane, uint64_t format, uint64_t arguments) {
    const auto byte_at = [&](uint64_t address) -> int {
        if (address - local_window < window_size) {
            const uint64_t offset = address - local_window;
            const uint32_t size = warp.block->launch->kernel->local_bytes;
            return offset < size ? warp.local[static_cast<size_t>(lane) * size + offset] : -1;
        }
        const Allocation * allocation = warp.block->launch->memory->find(address);
        return allocation == nullptr ? -1 : *allocation->at(address);
    };
    const auto text_at = [&](uint64_t address) {
        std::string text;
        for (int i = 0; i < 400; ++i) {
            const int c = byte_at(address + static_cast<uint64_t>(i));
            if (c <= 0) break;
            text += static_cast<char>(c);
        }
        return text;
    };
    const auto word_at = [&](uint64_t address, int bytes) {
        uint64_t value = 0;
        for (int i = 0; i < bytes; ++i) {
            value |= static_cast<uint64_t>(std::max(0, byte_at(address + static_cast<uint64_t>(i))))
                     << (8 * i);
        }
        return value;
    };
    const std::string pattern = text_at(format);
    std::string out;
    uint64_t at = arguments;
    const auto next = [&](int bytes) {
        at = (at + static_cast<uint64_t>(bytes) - 1) / static_cast<uint64_t>(bytes) *
             static_cast<uint64_t>(bytes);
        const uint64_t value = word_at(at, bytes);
        at += static_cast<uint64_t>(bytes);
        return value;
    };
    for (size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] != '%') {
            out += pattern[i];
            continue;
        }
        size_t end = i + 1;
        int longs = 0;
        while (end < pattern.size() && std::string_view("0123456789.+-# lzh").find(pattern[end]) !=
                                           std::string_view::npos) {
            longs += pattern[end] == 'l' || pattern[end] == 'z';
            ++end;
        }
        const char kind = end < pattern.size() ? pattern[end] : '%';
        if (kind == '%') {
            out += '%';
        } else if (kind == 's') {
            out += text_at(next(8));
        } else if (kind == 'p') {
            out += std::to_string(next(8));
        } else if (kind == 'd' || kind == 'i') {
            out += longs ? std::to_string(static_cast<int64_t>(next(8)))
                         : std::to_string(static_cast<int32_t>(next(4)));
        } else if (kind == 'u' || kind == 'x' || kind == 'c') {
            out += std::to_string(next(longs ? 8 : 4));
        } else {
            const uint64_t bits = next(8);
            double value;
            std::memcpy(&value, &bits, sizeof value);
            out += std::to_string(value);
        }
        i = end;
    }
    return out;
}

// op: offset of the result, of the format, of the arguments in the call's parameters.
void call_vprintf(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint32_t size = warp.block->launch->kernel->call_param_bytes;
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
        uint8_t * own = warp.call_params + static_cast<size_t>(lane) * size;
        uint64_t format = 0, arguments = 0;
        std::memcpy(&format, own + inst.op[1], 8);
        std::memcpy(&arguments, own + inst.op[2], 8);
        std::string & printed = warp.worker->printed;
        if (printed.size() < 4096) printed += formatted(warp, lane, format, arguments);
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

bool decode_call(Decoding & d) {
    d.take("uni");
    const Operand * results = nullptr;
    const Operand * name = nullptr;
    const Operand * arguments = nullptr;
    for (size_t i = 0; i < d.count(); ++i) {
        const Operand & operand = d.arg(i);
        if (operand.kind == OperandKind::vector) {
            (name == nullptr ? results : arguments) = &operand;
        } else if (operand.kind == OperandKind::symbol && name == nullptr) {
            name = &operand;
        }
    }
    if (name == nullptr) d.fail("calls through a register are not known");
    if (name->name == "vprintf" && results != nullptr && results->items.size() == 1 &&
        arguments != nullptr && arguments->items.size() == 2) {
        d.push({call_offset(d, results->items[0]), call_offset(d, arguments->items[0]),
                call_offset(d, arguments->items[1])});
        d.emit(call_vprintf, InstClass::control);
        return true;
    }
    if (name->name == "__assertfail" && arguments != nullptr && arguments->items.size() == 5) {
        for (int i = 0; i < 3; ++i) {
            d.push(call_offset(d, arguments->items[static_cast<size_t>(i)]));
        }
        d.emit(call_assertfail, InstClass::control);
        return true;
    }
    d.fail("the function '" + name->name + "' is not known");
}

bool decode_barrier(Decoding & d) {
    if (d.take("warp")) {
        if (!d.take("sync")) d.fail("this form is not known");
        d.expect_count(1);
        d.push(d.row(0, 4));
        d.emit(warp_barrier, InstClass::barrier);
        return true;
    }
    d.take("cta");
    const bool bar = d.root() == "bar";
    const bool aligned = d.take("aligned") || bar;
    uint64_t flags = aligned ? 0 : 4;
    if (d.take("red")) {
        const bool popc = d.take("popc"), conjunction = d.take("and"), disjunction = d.take("or");
        if (popc + conjunction + disjunction != 1) d.fail("it names no reduction");
        d.take_type();
        d.expect_count(3);  // a thread count is not carried out
        d.push(popc ? d.destination(0, 4) : d.predicate(d.arg(0)));
        d.push_predicate(d.arg(2));
        d.push(d.row(1, 4));
        d.imm(popc ? 2 : conjunction ? 0 : 1);
        d.emit(barrier_reduce, InstClass::barrier);
        return true;
    }
    if (d.take("arrive")) {
        flags |= 1;
        d.expect_count(2);
    } else if (d.take("sync")) {
        d.expect_count(1, 2);
    } else {
        d.fail("this form is not known");
    }
    if (d.count() == 2) flags |= 2;
    d.push({d.row(0, 4), d.count() == 2 ? d.row(1, 4) : 0});
    d.imm(flags);
    d.emit(barrier, InstClass::barrier);
    return true;
}

}  // namespace

void check_members(Warp & warp, const Inst & inst, uint32_t mask, const uint32_t * members) {
    if (!warp.worker->launch->check) return;
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
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

bool decode_control(Decoding & d) {
    const std::string_view root = d.root();
    if (root == "bra") {
        d.take("uni");
        d.expect_count(1);
        d.push(d.label(d.arg(0)));
        d.emit(branch, InstClass::control);
        return true;
    }
    if (root == "brx") {
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
        return true;
    }
    if (root == "ret" || root == "exit") {
        d.take("uni");
        d.expect_count(0);
        d.emit(leave, InstClass::control);
        return true;
    }
    if (root == "trap") {
        d.expect_count(0);
        d.emit(trap, InstClass::control);
        return true;
    }
    if (root == "call") return decode_call(d);
    if (root == "bar" || root == "barrier") return decode_barrier(d);
    if (root == "nanosleep") {
        d.take_type();
        d.emit(nothing, InstClass::control);
        return true;
    }
    if (root == "griddepcontrol") {
        // Launches run one after the other: what it waits for is over.
        if (!d.take("wait") && !d.take("launch_dependents")) d.fail("this form is not known");
        d.emit(nothing, InstClass::control);
        return true;
    }
    return false;
}

}  // namespace llamaproof::emulator
