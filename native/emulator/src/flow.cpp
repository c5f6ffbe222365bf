#include "flow.h"

#include <algorithm>

#include "opcodes.h"

namespace llamaproof::emulator {

using ptx::Function;
using ptx::Operand;
using ptx::OperandKind;
using ptx::Statement;

namespace {

// Block and statement numbers are ints, with -1 for none.
template <class T> T & at(std::vector<T> & items, int index) {
    return items[static_cast<size_t>(index)];
}
template <class T> const T & at(const std::vector<T> & items, int index) {
    return items[static_cast<size_t>(index)];
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
        if (table == function.branch_targets.end()) {
            targets.push_back(label_target(function, operand.name, statement.line));
            continue;
        }
        for (const std::string & label : table->second) {
            targets.push_back(label_target(function, label, statement.line));
        }
    }
    if (targets.empty()) {
        throw ptx::Error(statement.line, "'" + statement.opcode + "' without a label");
    }
    return targets;
}

// Immediate post-dominators (Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm", on the
// reversed graph).
class PostDominators {
public:
    explicit PostDominators(const std::vector<BasicBlock> & blocks)
        : blocks_(blocks),
          exit_(static_cast<int>(blocks.size())),
          before_(blocks.size() + 1),
          order_(blocks.size() + 1, -1),
          dominator_(blocks.size() + 1, -1) {
        for (int b = 0; b < exit_; ++b) {
            for (const int next : at(blocks_, b).next) at(before_, next).push_back(b);
        }
        number_backwards_from_exit();
        at(dominator_, exit_) = exit_;
        while (refine()) {
        }
    }

    // -1 for a block from which the exit cannot be reached.
    int of(int block) const { return at(dominator_, block); }

private:
    void number_backwards_from_exit() {
        std::vector<std::pair<int, size_t>> stack = {{exit_, 0}};
        std::vector<char> seen(before_.size(), 0);
        at(seen, exit_) = 1;
        while (!stack.empty()) {
            auto & [node, child] = stack.back();
            const auto & children = at(before_, node);
            if (child == children.size()) {
                at(order_, node) = static_cast<int>(sequence_.size());
                sequence_.push_back(node);
                stack.pop_back();
                continue;
            }
            const int next = children[child++];
            if (at(seen, next)) continue;
            at(seen, next) = 1;
            stack.emplace_back(next, 0);
        }
    }

    bool refine() {
        bool changed = false;
        for (auto node = sequence_.rbegin(); node != sequence_.rend(); ++node) {
            if (*node == exit_) continue;
            const int meet = meeting_point(*node);
            if (meet < 0 || at(dominator_, *node) == meet) continue;
            at(dominator_, *node) = meet;
            changed = true;
        }
        return changed;
    }

    int meeting_point(int block) const {
        int meet = -1;
        for (const int next : at(blocks_, block).next) {
            if (at(dominator_, next) < 0) continue;
            meet = meet < 0 ? next : common(meet, next);
        }
        return meet;
    }

    int common(int a, int b) const {
        while (a != b) {
            while (at(order_, a) < at(order_, b)) a = at(dominator_, a);
            while (at(order_, b) < at(order_, a)) b = at(dominator_, b);
        }
        return a;
    }

    const std::vector<BasicBlock> & blocks_;
    int exit_;
    std::vector<std::vector<int>> before_;
    std::vector<int> order_;     // post-order number in the reversed graph
    std::vector<int> sequence_;  // blocks in that order
    std::vector<int> dominator_;
};

void cut_into_blocks(const Function & function, Flow & flow) {
    const size_t count = function.statements.size();
    std::vector<char> leader(count + 1, 0);
    leader[0] = 1;
    for (const auto & label : function.labels) at(leader, label.second) = 1;
    for (size_t i = 0; i < count; ++i) {
        if (next_of(function.statements[i]) != Next::following) leader[i + 1] = 1;
    }
    flow.block_of.resize(count + 1);
    for (size_t i = 0; i < count; ++i) {
        const int statement = static_cast<int>(i);
        if (leader[i]) flow.blocks.push_back({statement, statement, {}});
        flow.block_of[i] = static_cast<int>(flow.blocks.size()) - 1;
        flow.blocks.back().last = statement + 1;
    }
    flow.block_of[count] = static_cast<int>(flow.blocks.size());
}

std::vector<int> blocks_after(const Function & function, const Flow & flow, int block) {
    const int exit = static_cast<int>(flow.blocks.size());
    const Statement & last = at(function.statements, at(flow.blocks, block).last - 1);
    const Next next = next_of(last);
    std::vector<int> after;
    if (next == Next::targets) {
        for (const int target : jump_targets(function, last)) {
            after.push_back(at(flow.block_of, target));
        }
    }
    if (next == Next::end) after.push_back(exit);
    if (next == Next::following || last.guard >= 0) after.push_back(block + 1);
    std::sort(after.begin(), after.end());
    after.erase(std::unique(after.begin(), after.end()), after.end());
    return after;
}

}  // namespace

Flow flow_of(const Function & function) {
    Flow flow;
    cut_into_blocks(function, flow);
    const int exit = static_cast<int>(flow.blocks.size());
    for (int b = 0; b < exit; ++b) at(flow.blocks, b).next = blocks_after(function, flow, b);
    const PostDominators dominators(flow.blocks);
    flow.reconverge.resize(flow.blocks.size(), -1);
    for (int b = 0; b < exit; ++b) {
        const int meet = dominators.of(b);
        if (meet >= 0 && meet < exit) at(flow.reconverge, b) = at(flow.blocks, meet).first;
    }
    return flow;
}

}  // namespace llamaproof::emulator
