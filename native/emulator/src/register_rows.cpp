#include "register_rows.h"

#include <algorithm>
#include <array>
#include <functional>
#include <queue>

#include "machine.h"
#include "opcodes.h"

namespace llamaproof::emulator {

using ptx::Function;
using ptx::Operand;
using ptx::Statement;

namespace {

// A set of registers, or of anything that is numbered from 0.
class Bits {
public:
    explicit Bits(size_t count) : words_((count + 63) / 64) {}
    void set(size_t i) { words_[i / 64] |= uint64_t(1) << (i % 64); }
    bool test(size_t i) const { return ((words_[i / 64] >> (i % 64)) & 1) != 0; }

    void add(const Bits & other) {
        for (size_t w = 0; w < words_.size(); ++w) words_[w] |= other.words_[w];
    }
    void remove(const Bits & other) {
        for (size_t w = 0; w < words_.size(); ++w) words_[w] &= ~other.words_[w];
    }
    bool operator!=(const Bits & other) const { return words_ != other.words_; }

    template <class Visit> void for_each(Visit visit) const {
        for (size_t w = 0; w < words_.size(); ++w) {
            for (uint64_t rest = words_[w]; rest != 0; rest &= rest - 1) {
                visit(64 * w + static_cast<size_t>(__builtin_ctzll(rest)));
            }
        }
    }

private:
    std::vector<uint64_t> words_;
};

template <class Visit> void visit_registers(const Operand & operand, const Visit & visit) {
    if (operand.reg >= 0) visit(static_cast<size_t>(operand.reg));
    if (operand.pair >= 0) visit(static_cast<size_t>(operand.pair));
    for (const Operand & item : operand.items) visit_registers(item, visit);
}

// The statements from the first to the last that a register's value lives through.
struct Interval {
    int begin = -1, end = -1;

    bool empty() const { return begin < 0; }
    void include(int statement) {
        if (begin < 0 || statement < begin) begin = statement;
        if (statement > end) end = statement;
    }
};

// Liveness by the usual equations: a block's registers are alive on entry where it reads them
// before it writes them, or where they are alive on exit and it does not write them.
class Liveness {
public:
    Liveness(const Function & function, const Flow & flow)
        : function_(function),
          flow_(flow),
          intervals_(function.registers.size()),
          use_(flow.blocks.size(), Bits(function.registers.size())),
          define_(use_),
          in_(use_),
          out_(use_) {
        for (size_t b = 0; b < flow.blocks.size(); ++b) note_block(b);
        while (propagate()) {
        }
        for (size_t b = 0; b < flow.blocks.size(); ++b) {
            const BasicBlock & block = flow.blocks[b];
            in_[b].for_each([&](size_t r) { intervals_[r].include(block.first); });
            out_[b].for_each([&](size_t r) { intervals_[r].include(block.last); });
        }
    }

    const std::vector<Interval> & intervals() const { return intervals_; }

private:
    void note_block(size_t b) {
        for (int i = flow_.blocks[b].first; i < flow_.blocks[b].last; ++i) note_statement(b, i);
    }

    void note_statement(size_t b, int at) {
        const Statement & statement = function_.statements[static_cast<size_t>(at)];
        const auto read = [&](size_t r) {
            intervals_[r].include(at);
            if (!define_[b].test(r)) use_[b].set(r);
        };
        const auto write = [&](size_t r) {
            intervals_[r].include(at);
            define_[b].set(r);
        };
        const bool guarded = statement.guard >= 0;
        const bool writes = writes_first_operand(statement) && !statement.operands.empty();
        if (guarded) read(static_cast<size_t>(statement.guard));
        for (size_t o = writes ? 1 : 0; o < statement.operands.size(); ++o) {
            visit_registers(statement.operands[o], read);
        }
        if (!writes) return;
        // Under a guard the old value may live on: the write ends nothing.
        if (guarded) visit_registers(statement.operands[0], read);
        if (!guarded) visit_registers(statement.operands[0], write);
    }

    bool propagate() {
        bool changed = false;
        for (size_t b = flow_.blocks.size(); b-- > 0;) {
            for (const int next : flow_.blocks[b].next) {
                const auto n = static_cast<size_t>(next);
                if (n < in_.size()) out_[b].add(in_[n]);
            }
            Bits alive = out_[b];
            alive.remove(define_[b]);
            alive.add(use_[b]);
            if (alive != in_[b]) {
                in_[b] = std::move(alive);
                changed = true;
            }
        }
        return changed;
    }

    const Function & function_;
    const Flow & flow_;
    std::vector<Interval> intervals_;
    std::vector<Bits> use_, define_, in_, out_;
};

// Rows of one width. Intervals are closed, so that no destination shares a row with a source of its
// own instruction.
class Pool {
public:
    uint32_t take(const Interval & interval, uint32_t bytes, uint32_t & end_of_rows) {
        while (!busy_.empty() && busy_.top().first < interval.begin) {
            free_.push_back(busy_.top().second);
            busy_.pop();
        }
        uint32_t offset = end_of_rows;
        if (free_.empty()) {
            end_of_rows += bytes * lanes;
        } else {
            offset = free_.back();
            free_.pop_back();
        }
        busy_.push({interval.end, offset});
        return offset;
    }

private:
    using Busy = std::pair<int, uint32_t>;  // until which statement, which row
    std::priority_queue<Busy, std::vector<Busy>, std::greater<>> busy_;
    std::vector<uint32_t> free_;
};

}  // namespace

Rows assign_rows(const Function & function, const Flow & flow) {
    const Liveness liveness(function, flow);
    const std::vector<Interval> & intervals = liveness.intervals();
    Rows rows;
    rows.offset.assign(function.registers.size(), 0);
    std::vector<size_t> by_begin;
    for (size_t r = 0; r < function.registers.size(); ++r) {
        if (function.registers[r] == ptx::Type::pred) {
            rows.offset[r] = rows.predicates++;
        } else if (!intervals[r].empty()) {
            by_begin.push_back(r);
        }
    }
    std::sort(by_begin.begin(), by_begin.end(), [&](size_t a, size_t b) {
        return std::pair(intervals[a].begin, a) < std::pair(intervals[b].begin, b);
    });
    std::array<Pool, 3> pools;
    for (const size_t r : by_begin) {
        const int bytes = std::max(2, ptx::size_of(function.registers[r]));
        if (bytes > 8) throw ptx::Error(function.line, "128-bit registers are not carried out");
        Pool & pool = pools[bytes == 2 ? 0 : bytes == 4 ? 1 : 2];
        rows.offset[r] = pool.take(intervals[r], static_cast<uint32_t>(bytes), rows.bytes);
    }
    return rows;
}

}  // namespace llamaproof::emulator
