#include "flow.h"

#include <algorithm>
#include <array>
#include <functional>
#include <queue>
#include <string_view>

namespace llamaproof::emulator {

using ptx::Function;
using ptx::Operand;
using ptx::OperandKind;
using ptx::Statement;

namespace {

std::string_view root_of(const Statement & statement) {
    const std::string_view opcode = statement.opcode;
    return opcode.substr(0, opcode.find('.'));
}

int label_target(const Function & function, const std::string & label, int line) {
    const auto found = function.labels.find(label);
    if (found == function.labels.end()) {
        throw ptx::Error(line, "the label '" + label + "' is not defined");
    }
    return found->second;
}

std::vector<int> jump_targets(const Function & function, const Statement & statement) {
    std::vector<int> targets;
    for (const Operand & operand : statement.operands) {
        if (operand.kind != OperandKind::label) continue;
        const auto table = function.branch_targets.find(operand.name);
        if (table != function.branch_targets.end()) {
            for (const std::string & label : table->second) {
                targets.push_back(label_target(function, label, statement.line));
            }
        } else {
            targets.push_back(label_target(function, operand.name, statement.line));
        }
    }
    if (targets.empty()) {
        throw ptx::Error(statement.line, "'" + statement.opcode + "' without a label");
    }
    return targets;
}

// Immediate post-dominators (Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm", on the
// reversed graph).
std::vector<int> post_dominators(const std::vector<BasicBlock> & blocks) {
    const int exit = static_cast<int>(blocks.size());
    std::vector<std::vector<int>> before(blocks.size() + 1);
    for (int b = 0; b < exit; ++b) {
        for (const int n : blocks[static_cast<size_t>(b)].next) {
            before[static_cast<size_t>(n)].push_back(b);
        }
    }
    std::vector<int> order(blocks.size() + 1, -1);  // post-order number in the reversed graph
    std::vector<int> sequence;
    std::vector<std::pair<int, size_t>> stack;
    std::vector<char> seen(blocks.size() + 1, 0);
    const auto walk = [&](int root) {
        stack.emplace_back(root, 0);
        seen[static_cast<size_t>(root)] = 1;
        while (!stack.empty()) {
            auto & [node, at] = stack.back();
            const auto & next = before[static_cast<size_t>(node)];
            if (at < next.size()) {
                const int child = next[at++];
                if (!seen[static_cast<size_t>(child)]) {
                    seen[static_cast<size_t>(child)] = 1;
                    stack.emplace_back(child, 0);
                }
            } else {
                order[static_cast<size_t>(node)] = static_cast<int>(sequence.size());
                sequence.push_back(node);
                stack.pop_back();
            }
        }
    };
    walk(exit);
    std::vector<int> dominator(blocks.size() + 1, -1);
    dominator[static_cast<size_t>(exit)] = exit;
    bool changed = true;
    while (changed) {
        changed = false;
        for (auto node = sequence.rbegin(); node != sequence.rend(); ++node) {
            if (*node == exit) continue;
            int meet = -1;
            for (int n : blocks[static_cast<size_t>(*node)].next) {
                if (dominator[static_cast<size_t>(n)] < 0) continue;
                if (meet < 0) {
                    meet = n;
                    continue;
                }
                int other = n;
                while (meet != other) {
                    while (order[static_cast<size_t>(meet)] < order[static_cast<size_t>(other)]) {
                        meet = dominator[static_cast<size_t>(meet)];
                    }
                    while (order[static_cast<size_t>(other)] < order[static_cast<size_t>(meet)]) {
                        other = dominator[static_cast<size_t>(other)];
                    }
                }
            }
            if (meet >= 0 && dominator[static_cast<size_t>(*node)] != meet) {
                dominator[static_cast<size_t>(*node)] = meet;
                changed = true;
            }
        }
    }
    return dominator;  // -1 for blocks from which the exit cannot be reached
}

void visit_registers(const Operand & operand, const std::function<void(int)> & visit) {
    if (operand.reg >= 0) visit(operand.reg);
    if (operand.pair >= 0) visit(operand.pair);
    for (const Operand & item : operand.items) visit_registers(item, visit);
}

}  // namespace

bool ends_block(const Statement & statement) {
    const std::string_view root = root_of(statement);
    return root == "bra" || root == "brx" || root == "ret" || root == "exit";
}

bool has_destination(const Statement & statement) {
    static constexpr std::array<std::string_view, 19> without = {
        "st",         "red",       "bra",      "brx",
        "ret",        "exit",      "trap",     "cp",
        "membar",     "fence",     "call",     "prefetch",
        "prefetchu",  "nanosleep", "stmatrix", "griddepcontrol",
        "setmaxnreg", "discard",   "brkpt"};
    const std::string_view root = root_of(statement);
    if (root == "bar" || root == "barrier") {
        return statement.opcode.find(".red.") != std::string::npos;
    }
    if (root == "wmma") return statement.opcode.rfind("wmma.store", 0) != 0;
    return std::find(without.begin(), without.end(), root) == without.end();
}

Flow flow_of(const Function & function) {
    const auto & statements = function.statements;
    const int count = static_cast<int>(statements.size());
    std::vector<char> leader(static_cast<size_t>(count) + 1, 0);
    leader[0] = 1;
    for (const auto & label : function.labels) leader[static_cast<size_t>(label.second)] = 1;
    for (int i = 0; i < count; ++i) {
        if (ends_block(statements[static_cast<size_t>(i)])) leader[static_cast<size_t>(i) + 1] = 1;
    }
    Flow flow;
    flow.block_of.resize(static_cast<size_t>(count) + 1);
    for (int i = 0; i < count; ++i) {
        if (leader[static_cast<size_t>(i)]) flow.blocks.push_back({i, i, {}, {}});
        flow.block_of[static_cast<size_t>(i)] = static_cast<int>(flow.blocks.size()) - 1;
        flow.blocks.back().last = i + 1;
    }
    const int exit = static_cast<int>(flow.blocks.size());
    flow.block_of[static_cast<size_t>(count)] = exit;
    for (int b = 0; b < exit; ++b) {
        BasicBlock & block = flow.blocks[static_cast<size_t>(b)];
        const Statement & last = statements[static_cast<size_t>(block.last) - 1];
        const std::string_view root = root_of(last);
        bool falls = true;
        if (root == "bra" || root == "brx") {
            for (const int target : jump_targets(function, last)) {
                block.next.push_back(flow.block_of[static_cast<size_t>(target)]);
            }
            falls = last.guard >= 0;
        } else if (root == "ret" || root == "exit") {
            block.next.push_back(exit);
            falls = last.guard >= 0;
        }
        if (falls) block.next.push_back(b + 1);
        std::sort(block.next.begin(), block.next.end());
        block.next.erase(std::unique(block.next.begin(), block.next.end()), block.next.end());
    }
    for (int b = 0; b < exit; ++b) {
        for (const int n : flow.blocks[static_cast<size_t>(b)].next) {
            if (n < exit) flow.blocks[static_cast<size_t>(n)].previous.push_back(b);
        }
    }
    const std::vector<int> dominator = post_dominators(flow.blocks);
    flow.reconverge.resize(flow.blocks.size(), -1);
    for (int b = 0; b < exit; ++b) {
        const int meet = dominator[static_cast<size_t>(b)];
        if (meet >= 0 && meet < exit) {
            flow.reconverge[static_cast<size_t>(b)] = flow.blocks[static_cast<size_t>(meet)].first;
        }
    }
    return flow;
}

Rows assign_rows(const Function & function, const Flow & flow) {
    const size_t registers = function.registers.size();
    const size_t words = (registers + 63) / 64;
    const size_t blocks = flow.blocks.size();
    using Bits = std::vector<uint64_t>;
    const auto set = [](Bits & bits, int reg) {
        bits[static_cast<size_t>(reg) / 64] |= uint64_t(1) << (reg % 64);
    };
    const auto test = [](const Bits & bits, int reg) {
        return (bits[static_cast<size_t>(reg) / 64] >> (reg % 64)) & 1;
    };

    std::vector<Bits> use(blocks, Bits(words)), define(blocks, Bits(words)),
        in(blocks, Bits(words)), out(blocks, Bits(words));
    std::vector<int> begin(registers, -1), end(registers, -1);
    const auto touch = [&](int reg, int at) {
        const auto r = static_cast<size_t>(reg);
        if (begin[r] < 0 || at < begin[r]) begin[r] = at;
        if (at > end[r]) end[r] = at;
    };
    for (size_t b = 0; b < blocks; ++b) {
        for (int i = flow.blocks[b].first; i < flow.blocks[b].last; ++i) {
            const Statement & statement = function.statements[static_cast<size_t>(i)];
            const bool writes = has_destination(statement);
            const auto read = [&](int reg) {
                touch(reg, i);
                if (!test(define[b], reg)) set(use[b], reg);
            };
            if (statement.guard >= 0) read(statement.guard);
            for (size_t o = writes ? 1 : 0; o < statement.operands.size(); ++o) {
                visit_registers(statement.operands[o], read);
            }
            if (writes && !statement.operands.empty()) {
                visit_registers(statement.operands[0], [&](int reg) {
                    // Under a guard the old value may live on: the write ends nothing.
                    if (statement.guard >= 0) {
                        read(reg);
                    } else {
                        touch(reg, i);
                        set(define[b], reg);
                    }
                });
            }
        }
    }
    bool changed = true;
    while (changed) {
        changed = false;
        for (size_t k = blocks; k-- > 0;) {
            Bits next(words);
            for (const int n : flow.blocks[k].next) {
                if (static_cast<size_t>(n) >= blocks) continue;
                for (size_t w = 0; w < words; ++w) next[w] |= in[static_cast<size_t>(n)][w];
            }
            out[k] = next;
            for (size_t w = 0; w < words; ++w) {
                const uint64_t value = use[k][w] | (next[w] & ~define[k][w]);
                if (value != in[k][w]) {
                    in[k][w] = value;
                    changed = true;
                }
            }
        }
    }
    for (size_t b = 0; b < blocks; ++b) {
        for (size_t w = 0; w < words; ++w) {
            for (uint64_t bits = in[b][w]; bits != 0; bits &= bits - 1) {
                touch(static_cast<int>(w * 64) + __builtin_ctzll(bits), flow.blocks[b].first);
            }
            for (uint64_t bits = out[b][w]; bits != 0; bits &= bits - 1) {
                touch(static_cast<int>(w * 64) + __builtin_ctzll(bits), flow.blocks[b].last);
            }
        }
    }

    Rows rows;
    rows.offset.assign(registers, 0);
    std::vector<int> by_begin;
    for (size_t r = 0; r < registers; ++r) {
        if (function.registers[r] == ptx::Type::pred) {
            rows.offset[r] = rows.predicates++;
        } else if (begin[r] >= 0) {
            by_begin.push_back(static_cast<int>(r));
        }
    }
    std::sort(by_begin.begin(), by_begin.end(), [&](int a, int b) {
        const auto x = static_cast<size_t>(a), y = static_cast<size_t>(b);
        return begin[x] != begin[y] ? begin[x] < begin[y] : a < b;
    });
    // Linear scan; intervals are closed, so that no destination shares a row with a source of its
    // own instruction.
    std::array<std::vector<uint32_t>, 3> free;
    using Active = std::pair<int, int>;
    std::array<std::priority_queue<Active, std::vector<Active>, std::greater<>>, 3> active;
    for (const int reg : by_begin) {
        const auto r = static_cast<size_t>(reg);
        const int bytes = std::max(2, ptx::size_of(function.registers[r]));
        if (bytes > 8) throw ptx::Error(function.line, "128-bit registers are not carried out");
        const size_t pool = bytes == 2 ? 0 : bytes == 4 ? 1 : 2;
        while (!active[pool].empty() && active[pool].top().first < begin[r]) {
            free[pool].push_back(rows.offset[static_cast<size_t>(active[pool].top().second)]);
            active[pool].pop();
        }
        if (free[pool].empty()) {
            rows.offset[r] = rows.bytes;
            rows.bytes += static_cast<uint32_t>(bytes) * 32;
        } else {
            rows.offset[r] = free[pool].back();
            free[pool].pop_back();
        }
        active[pool].push({end[r], reg});
    }
    return rows;
}

}  // namespace llamaproof::emulator
