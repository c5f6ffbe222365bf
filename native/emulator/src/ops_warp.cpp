// Exchange between the lanes of a warp: shfl, vote, match, redux, elect (PTX ISA, "Data Movement:
// shfl.sync" and "Parallel Synchronization").

#include "decode.h"
#include "rows.h"

namespace llamaproof::emulator {

using ptx::Operand;
using ptx::Type;

namespace {

enum class Shuffle { up, down, bfly, idx };

// op: d, predicate, a, b, c, members.
template <Shuffle Mode> void shuffle(Warp & warp, const Inst & inst, uint32_t mask) {
    check_members(warp, inst, mask, warp.row<uint32_t>(inst.op[5]));
    const uint32_t * a = warp.row<uint32_t>(inst.op[2]);
    const uint32_t * b = warp.row<uint32_t>(inst.op[3]);
    const uint32_t * c = warp.row<uint32_t>(inst.op[4]);
    alignas(64) uint32_t result[lanes];
    uint32_t inside = 0;
    for (int lane = 0; lane < lanes; ++lane) {
        const int offset = static_cast<int>(b[lane] & 31), limit = static_cast<int>(c[lane] & 31),
                  segment = static_cast<int>((c[lane] >> 8) & 31);
        const int most = (lane & segment) | (limit & ~segment), least = lane & segment;
        int from = 0;
        bool valid = false;
        if (Mode == Shuffle::up) {
            from = lane - offset;
            valid = from >= most;
        } else if (Mode == Shuffle::down) {
            from = lane + offset;
            valid = from <= most;
        } else if (Mode == Shuffle::bfly) {
            from = lane ^ offset;
            valid = from <= most;
        } else {
            from = least | (offset & ~segment);
            valid = from <= most;
        }
        result[lane] = a[(valid ? from : lane) & 31];
        inside |= static_cast<uint32_t>(valid) << lane;
    }
    blend(warp.row<uint32_t>(inst.op[0]), result, mask);
    set_predicate(warp, inst.op[1], inside, mask);
}

// op: destination, predicate, flip, members; imm: 0 all, 1 any, 2 uni, 3 ballot.
void vote(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint32_t * members = warp.row<uint32_t>(inst.op[3]);
    check_members(warp, inst, mask, members);
    const uint32_t value = warp.predicates[inst.op[1]] ^ inst.op[2];
    uint32_t holds = 0;
    alignas(64) uint32_t ballots[lanes];
    for (int lane = 0; lane < lanes; ++lane) {
        const uint32_t present = members[lane] & mask;
        const uint32_t yes = value & present;
        const bool result = inst.imm == 0   ? yes == present
                            : inst.imm == 1 ? yes != 0
                                            : yes == 0 || yes == present;
        holds |= static_cast<uint32_t>(result) << lane;
        ballots[lane] = yes;
    }
    if (inst.imm == 3) {
        blend(warp.row<uint32_t>(inst.op[0]), ballots, mask);
    } else {
        set_predicate(warp, inst.op[0], holds, mask);
    }
}

// op: d, predicate, a, members; imm: 1 for match.all.
template <class T> void match(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint32_t * members = warp.row<uint32_t>(inst.op[3]);
    check_members(warp, inst, mask, members);
    const T * a = warp.row<T>(inst.op[2]);
    alignas(64) uint32_t result[lanes] = {};
    uint32_t holds = 0;
    for (const int lane : lanes_of(mask)) {
        const uint32_t present = members[lane] & mask;
        uint32_t same = 0;
        for (uint32_t others = present; others != 0; others &= others - 1) {
            const int other = __builtin_ctz(others);
            same |= static_cast<uint32_t>(a[other] == a[lane]) << other;
        }
        if (inst.imm == 1) {
            holds |= static_cast<uint32_t>(same == present) << lane;
            result[lane] = same == present ? present : 0;
        } else {
            result[lane] = same;
        }
    }
    blend(warp.row<uint32_t>(inst.op[0]), result, mask);
    if (inst.imm == 1) set_predicate(warp, inst.op[1], holds, mask);
}

struct Add {
    template <class T> static T apply(T a, T b) {
        return static_cast<T>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
    }
};
struct Min {
    template <class T> static T apply(T a, T b) { return a < b ? a : b; }
};
struct Max {
    template <class T> static T apply(T a, T b) { return a > b ? a : b; }
};
struct And {
    template <class T> static T apply(T a, T b) { return a & b; }
};
struct Or {
    template <class T> static T apply(T a, T b) { return a | b; }
};
struct Xor {
    template <class T> static T apply(T a, T b) { return a ^ b; }
};

// op: d, a, members.
template <class F, class T> void reduce(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint32_t * members = warp.row<uint32_t>(inst.op[2]);
    check_members(warp, inst, mask, members);
    const T * a = warp.row<T>(inst.op[1]);
    alignas(64) T result[lanes] = {};
    for (const int lane : lanes_of(mask)) {
        bool first = true;
        T value{};
        for (uint32_t others = members[lane] & mask; others != 0; others &= others - 1) {
            const int other = __builtin_ctz(others);
            value = first ? a[other] : F::apply(value, a[other]);
            first = false;
        }
        result[lane] = value;
    }
    blend(warp.row<T>(inst.op[0]), result, mask);
}

// op: d, predicate, members.
void elect(Warp & warp, const Inst & inst, uint32_t mask) {
    const uint32_t * members = warp.row<uint32_t>(inst.op[2]);
    check_members(warp, inst, mask, members);
    const auto leader = static_cast<uint32_t>(first_lane(mask));
    alignas(64) uint32_t result[lanes];
    for (uint32_t & value : result) value = leader;
    blend(warp.row<uint32_t>(inst.op[0]), result, mask);
    set_predicate(warp, inst.op[1], 1u << leader, mask);
}

Operand without_pair(const Operand & operand) {
    Operand plain = operand;
    plain.pair = -1;
    return plain;
}

constexpr InstClass exchange = InstClass::warp_exchange;

void need_sync(Decoding & d) {
    if (!d.take("sync")) d.fail("the forms without .sync are not carried out");
}

// The first operand may be a pair: a value, and a predicate after '|'.
void push_pair(Decoding & d) {
    const Operand & target = d.arg(0);
    d.push({d.destination(without_pair(target), 4), d.predicate_or_sink(target.pair)});
}

}  // namespace

void decode_shfl(Decoding & d) {
    need_sync(d);
    static constexpr struct {
        std::string_view name;
        Handler handler;
    } modes[] = {{"up", shuffle<Shuffle::up>},
                 {"down", shuffle<Shuffle::down>},
                 {"bfly", shuffle<Shuffle::bfly>},
                 {"idx", shuffle<Shuffle::idx>}};
    Handler handler = nullptr;
    for (const auto & mode : modes) {
        if (d.take(mode.name)) handler = mode.handler;
    }
    if (handler == nullptr) d.fail("it names no mode");
    if (d.take_type() != Type::b32) d.fail("it is for b32");
    d.expect_count(5);
    push_pair(d);
    d.push({d.row(1, 4), d.row(2, 4), d.row(3, 4), d.row(4, 4)});
    d.emit(handler, exchange);
}

void decode_vote(Decoding & d) {
    need_sync(d);
    static constexpr std::string_view modes[] = {"all", "any", "uni", "ballot"};
    uint64_t mode = std::size(modes);
    for (uint64_t i = 0; i < std::size(modes); ++i) {
        if (d.take(modes[i])) mode = i;
    }
    if (mode == std::size(modes)) d.fail("it names no mode");
    d.take_type();
    d.expect_count(3);
    d.push(modes[mode] == "ballot" ? d.destination(0, 4) : d.predicate(d.arg(0)));
    if (d.constant(d.arg(1))) d.fail("a constant predicate");
    d.push_predicate(d.arg(1));
    d.push(d.row(2, 4));
    d.imm(mode);
    d.emit(vote, exchange);
}

void decode_match(Decoding & d) {
    need_sync(d);
    const bool all = d.take("all");
    if (!all && !d.take("any")) d.fail("it names no mode");
    const int bytes = ptx::size_of(d.take_type());
    d.expect_count(3);
    push_pair(d);
    d.push({d.row(1, bytes), d.row(2, 4)});
    d.imm(all ? 1 : 0);
    d.emit(by_bytes(bytes, nullptr, match<uint32_t>, match<uint64_t>), exchange);
}

void decode_redux(Decoding & d) {
    need_sync(d);
    static constexpr struct {
        std::string_view name;
        Handler of_unsigned, of_signed;
    } operations[] = {{"add", reduce<Add, uint32_t>, reduce<Add, uint32_t>},
                      {"min", reduce<Min, uint32_t>, reduce<Min, int32_t>},
                      {"max", reduce<Max, uint32_t>, reduce<Max, int32_t>},
                      {"and", reduce<And, uint32_t>, reduce<And, uint32_t>},
                      {"or", reduce<Or, uint32_t>, reduce<Or, uint32_t>},
                      {"xor", reduce<Xor, uint32_t>, reduce<Xor, uint32_t>}};
    const Type type = d.take_type();
    if (ptx::size_of(type) != 4 || ptx::is_float(type)) {
        d.fail("only 32-bit integers are carried out");
    }
    Handler handler = nullptr;
    for (const auto & operation : operations) {
        if (!d.take(operation.name)) continue;
        handler = type == Type::s32 ? operation.of_signed : operation.of_unsigned;
    }
    if (handler == nullptr) d.fail("it names no operation");
    d.push_alike(2, 4);
    d.emit(handler, exchange);
}

void decode_elect(Decoding & d) {
    need_sync(d);
    d.expect_count(2);
    push_pair(d);
    d.push(d.row(1, 4));
    d.emit(elect, exchange);
}

}  // namespace llamaproof::emulator
