// ld, st, cp.async and what else moves data (PTX ISA, "Data Movement and Conversion Instructions").

#include <algorithm>

#include "access.h"
#include "decode.h"
#include "rows.h"

namespace llamaproof::emulator {

using ptx::Operand;
using ptx::OperandKind;
using ptx::Space;
using ptx::Type;

namespace {

// Layout of op for ld and st: base row, base bytes (0, 4, 8), then for each element its row and
// register bytes. imm: the offset. The element type and count are the handler's template arguments.
constexpr int base_row = 0, base_bytes = 1, first_element = 2;

void addresses(Warp & warp, const Inst & inst, Lanes64 & address) {
    add_offset(warp, inst.op[base_row], inst.op[base_bytes], inst.imm, address);
}

// A loaded value in a wider register is extended as its type says; imm's neighbours do not know, so
// the type does.
template <class T>
void put_row(Warp & warp, uint32_t row, uint32_t bytes, const T * value, uint32_t mask) {
    if (bytes == sizeof(T)) {
        blend(warp.row<T>(row), value, mask);
    } else if (bytes == 2) {
        alignas(64) uint16_t wide[lanes];
        for (int i = 0; i < lanes; ++i) wide[i] = static_cast<uint16_t>(value[i]);
        blend(warp.row<uint16_t>(row), wide, mask);
    } else if (bytes == 4) {
        alignas(64) uint32_t wide[lanes];
        for (int i = 0; i < lanes; ++i) wide[i] = static_cast<uint32_t>(value[i]);
        blend(warp.row<uint32_t>(row), wide, mask);
    } else {
        alignas(64) uint64_t wide[lanes];
        for (int i = 0; i < lanes; ++i) wide[i] = static_cast<uint64_t>(value[i]);
        blend(warp.row<uint64_t>(row), wide, mask);
    }
}

template <class T> void get_row(Warp & warp, uint32_t row, uint32_t bytes, T * value) {
    if (bytes == sizeof(T)) {
        std::memcpy(value, warp.row<T>(row), sizeof(T) * lanes);
    } else if (bytes == 2) {
        const uint16_t * from = warp.row<uint16_t>(row);
        for (int i = 0; i < lanes; ++i) value[i] = static_cast<T>(from[i]);
    } else if (bytes == 4) {
        const uint32_t * from = warp.row<uint32_t>(row);
        for (int i = 0; i < lanes; ++i) value[i] = static_cast<T>(from[i]);
    } else {
        const uint64_t * from = warp.row<uint64_t>(row);
        for (int i = 0; i < lanes; ++i) value[i] = static_cast<T>(from[i]);
    }
}

template <class T, int V>
void scatter(Warp & warp, const Inst & inst, uint32_t mask, const T (&value)[V][lanes]) {
    for (int v = 0; v < V; ++v) {
        put_row<T>(warp, inst.op[first_element + 2 * v], inst.op[first_element + 2 * v + 1],
                   value[v], mask);
    }
}

template <class T, int V>
void fetch_global(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address) {
    alignas(64) T value[V][lanes] = {};
    HostLanes host;
    const uint32_t good = access_global(warp, inst, mask, address, sizeof(T) * V, false, host);
    for (const int lane : lanes_of(good)) {
        T piece[V];
        std::memcpy(piece, host.at[lane], sizeof piece);
        for (int v = 0; v < V; ++v) value[v][lane] = piece[v];
    }
    scatter<T, V>(warp, inst, mask, value);
}

template <class T, int V>
void fetch_shared(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address) {
    alignas(64) T value[V][lanes] = {};
    const uint32_t good = access_shared(warp, inst, mask, address, sizeof(T) * V, SharedUse::read);
    count_banks(warp, good, address, sizeof(T) * V);
    for (const int lane : lanes_of(good)) {
        T piece[V];
        std::memcpy(piece, warp.block->shared + address.at[lane], sizeof piece);
        for (int v = 0; v < V; ++v) value[v][lane] = piece[v];
    }
    scatter<T, V>(warp, inst, mask, value);
}

// The lane's own memory at `offset`, or null with a report.
uint8_t * local_at(Warp & warp, const Inst & inst, int lane, uint64_t offset, uint32_t bytes) {
    const uint32_t size = warp.block->launch->kernel->local_bytes;
    if (offset > size || size - offset < bytes) {
        warp.worker->report(FindingKind::out_of_bounds, warp, inst, lane, offset,
                            "an access of " + std::to_string(bytes) + " bytes at " +
                                std::to_string(offset) + " of local memory, which has " +
                                std::to_string(size) + " bytes");
        return nullptr;
    }
    if (offset & (bytes - 1)) {
        warp.worker->report(FindingKind::misaligned, warp, inst, lane, offset,
                            "an access of " + std::to_string(bytes) + " bytes to local memory");
        return nullptr;
    }
    return warp.local + static_cast<size_t>(lane) * size + offset;
}

// Kernel parameters are the same for all lanes; the arguments of calls are each lane's own.
uint8_t * param_at(Warp & warp, const Inst & inst, int lane, uint64_t offset, uint32_t bytes) {
    const Launch & launch = *warp.block->launch;
    if (offset >= call_param_base) {
        const uint32_t size = launch.kernel->call_param_bytes;
        const uint64_t at = offset - call_param_base;
        if (at <= size && size - at >= bytes) {
            return warp.call_params + static_cast<size_t>(lane) * size + at;
        }
    } else if (offset <= launch.kernel->param_bytes &&
               launch.kernel->param_bytes - offset >= bytes) {
        return const_cast<uint8_t *>(launch.params.data()) + offset;
    }
    warp.worker->report(FindingKind::out_of_bounds, warp, inst, lane, offset,
                        "a read of " + std::to_string(bytes) + " bytes at " +
                            std::to_string(offset) + " of the parameters");
    return nullptr;
}

template <class T, int V, uint8_t * (*At)(Warp &, const Inst &, int, uint64_t, uint32_t)>
void fetch_private(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address) {
    alignas(64) T value[V][lanes] = {};
    for (const int lane : lanes_of(mask)) {
        T piece[V] = {};
        if (const uint8_t * from = At(warp, inst, lane, address.at[lane], sizeof piece)) {
            std::memcpy(piece, from, sizeof piece);
        }
        for (int v = 0; v < V; ++v) value[v][lane] = piece[v];
    }
    scatter<T, V>(warp, inst, mask, value);
}

template <class T, int V> void load_global(Warp & warp, const Inst & inst, uint32_t mask) {
    Lanes64 address;
    addresses(warp, inst, address);
    fetch_global<T, V>(warp, inst, mask, address);
}

template <class T, int V> void load_shared(Warp & warp, const Inst & inst, uint32_t mask) {
    Lanes64 address;
    addresses(warp, inst, address);
    fetch_shared<T, V>(warp, inst, mask, address);
}

template <class T, int V> void load_local(Warp & warp, const Inst & inst, uint32_t mask) {
    Lanes64 address;
    addresses(warp, inst, address);
    fetch_private<T, V, local_at>(warp, inst, mask, address);
}

template <class T, int V> void load_param(Warp & warp, const Inst & inst, uint32_t mask) {
    Lanes64 address;
    addresses(warp, inst, address);
    fetch_private<T, V, param_at>(warp, inst, mask, address);
}

struct Split {
    uint32_t shared = 0, local = 0, param = 0, global = 0;
};

// Which lanes of a generic access go where; their addresses become offsets of that space.
Split split_generic(uint32_t mask, Lanes64 & address) {
    Split split;
    for (const int lane : lanes_of(mask)) {
        uint64_t & at = address.at[lane];
        uint32_t * lanes_there = &split.global;
        uint64_t window = 0;
        if (at - shared_window < window_size) {
            lanes_there = &split.shared;
            window = shared_window;
        } else if (at - local_window < window_size) {
            lanes_there = &split.local;
            window = local_window;
        } else if (at - param_window < window_size) {
            lanes_there = &split.param;
            window = param_window;
        }
        *lanes_there |= 1u << lane;
        at -= window;
    }
    return split;
}

template <class T, int V> void load_generic(Warp & warp, const Inst & inst, uint32_t mask) {
    Lanes64 address;
    addresses(warp, inst, address);
    const Split split = split_generic(mask, address);
    if (split.global) fetch_global<T, V>(warp, inst, split.global, address);
    if (split.shared) fetch_shared<T, V>(warp, inst, split.shared, address);
    if (split.local) fetch_private<T, V, local_at>(warp, inst, split.local, address);
    if (split.param) fetch_private<T, V, param_at>(warp, inst, split.param, address);
}

template <class T, int V> struct Values {
    T at[lanes][V];
    Values(Warp & warp, const Inst & inst) {
        alignas(64) T row[lanes];
        for (int v = 0; v < V; ++v) {
            get_row<T>(warp, inst.op[first_element + 2 * v], inst.op[first_element + 2 * v + 1],
                       row);
            for (int i = 0; i < lanes; ++i) at[i][v] = row[i];
        }
    }
};

template <class T, int V>
void put_global(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address,
                const Values<T, V> & values) {
    HostLanes host;
    const uint32_t good = access_global(warp, inst, mask, address, sizeof(T) * V, true, host);
    for (const int lane : lanes_of(good)) {
        std::memcpy(host.at[lane], values.at[lane], sizeof(T) * V);
    }
    mark_global(warp, inst, good, address, sizeof(T) * V);
}

template <class T, int V>
void put_shared(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address,
                const Values<T, V> & values) {
    const uint32_t good = access_shared(warp, inst, mask, address, sizeof(T) * V, SharedUse::write,
                                        reinterpret_cast<const uint8_t *>(values.at));
    count_banks(warp, good, address, sizeof(T) * V);
    for (const int lane : lanes_of(good)) {
        std::memcpy(warp.block->shared + address.at[lane], values.at[lane], sizeof(T) * V);
    }
}

template <class T, int V, uint8_t * (*At)(Warp &, const Inst &, int, uint64_t, uint32_t)>
void put_private(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & address,
                 const Values<T, V> & values) {
    for (const int lane : lanes_of(mask)) {
        if (uint8_t * to = At(warp, inst, lane, address.at[lane], sizeof(T) * V)) {
            std::memcpy(to, values.at[lane], sizeof(T) * V);
        }
    }
}

template <class T, int V> void store_global(Warp & warp, const Inst & inst, uint32_t mask) {
    Lanes64 address;
    addresses(warp, inst, address);
    put_global<T, V>(warp, inst, mask, address, Values<T, V>(warp, inst));
}

template <class T, int V> void store_shared(Warp & warp, const Inst & inst, uint32_t mask) {
    Lanes64 address;
    addresses(warp, inst, address);
    put_shared<T, V>(warp, inst, mask, address, Values<T, V>(warp, inst));
}

template <class T, int V> void store_local(Warp & warp, const Inst & inst, uint32_t mask) {
    Lanes64 address;
    addresses(warp, inst, address);
    put_private<T, V, local_at>(warp, inst, mask, address, Values<T, V>(warp, inst));
}

template <class T, int V> void store_param(Warp & warp, const Inst & inst, uint32_t mask) {
    Lanes64 address;
    addresses(warp, inst, address);
    put_private<T, V, param_at>(warp, inst, mask, address, Values<T, V>(warp, inst));
}

template <class T, int V> void store_generic(Warp & warp, const Inst & inst, uint32_t mask) {
    Lanes64 address;
    addresses(warp, inst, address);
    const Split split = split_generic(mask, address);
    const Values<T, V> values(warp, inst);
    if (split.global) put_global<T, V>(warp, inst, split.global, address, values);
    if (split.shared) put_shared<T, V>(warp, inst, split.shared, address, values);
    if (split.local) put_private<T, V, local_at>(warp, inst, split.local, address, values);
    if (split.param) stop_at(warp, inst, "a kernel writes to its parameters");
}

enum class Where { global, shared, local, param, generic };

template <class T, int V> Handler loader(Where where) {
    switch (where) {
        case Where::global: return load_global<T, V>;
        case Where::shared: return load_shared<T, V>;
        case Where::local: return load_local<T, V>;
        case Where::param: return load_param<T, V>;
        case Where::generic: return load_generic<T, V>;
    }
    return nullptr;
}

template <class T, int V> Handler storer(Where where) {
    switch (where) {
        case Where::global: return store_global<T, V>;
        case Where::shared: return store_shared<T, V>;
        case Where::local: return store_local<T, V>;
        case Where::param: return store_param<T, V>;
        case Where::generic: return store_generic<T, V>;
    }
    return nullptr;
}

template <class T> Handler loader_of(Where where, size_t n) {
    switch (n) {
        case 1: return loader<T, 1>(where);
        case 2: return loader<T, 2>(where);
        case 4: return sizeof(T) * 4 > 32 ? nullptr : loader<T, 4>(where);
        default: return nullptr;
    }
}

template <class T> Handler storer_of(Where where, size_t n) {
    switch (n) {
        case 1: return storer<T, 1>(where);
        case 2: return storer<T, 2>(where);
        case 4: return sizeof(T) * 4 > 32 ? nullptr : storer<T, 4>(where);
        default: return nullptr;
    }
}

// Hints and orderings that make no difference where memory is one and blocks run to their end.
void take_hints(Decoding & d) {
    for (const char * hint : {"weak",
                              "volatile",
                              "relaxed",
                              "acquire",
                              "release",
                              "cta",
                              "gpu",
                              "sys",
                              "cluster",
                              "nc",
                              "ca",
                              "cg",
                              "cs",
                              "lu",
                              "cv",
                              "wb",
                              "wt",
                              "L1::evict_normal",
                              "L1::evict_unchanged",
                              "L1::evict_first",
                              "L1::evict_last",
                              "L1::no_allocate",
                              "L2::cache_hint",
                              "L2::64B",
                              "L2::128B",
                              "L2::256B",
                              "L2::evict_first",
                              "L2::evict_last",
                              "L2::evict_normal",
                              "level::eviction_priority",
                              "level::prefetch_size",
                              "unified"}) {
        d.take(hint);
    }
}

struct PlaceNamed {
    Where where;
    Space space;
    bool constant = false;
};

PlaceNamed take_place(Decoding & d) {
    if (d.take("global")) return {Where::global, Space::global};
    if (d.take("shared") || d.take("shared::cta")) return {Where::shared, Space::shared};
    if (d.take("local")) return {Where::local, Space::local};
    if (d.take("param") || d.take("param::entry") || d.take("param::func")) {
        return {Where::param, Space::param};
    }
    if (d.take("const")) return {Where::global, Space::constant, true};
    return {Where::generic, Space::generic};
}

void note_shared_size(Decoding & d, Where where, uint32_t bytes) {
    if (where == Where::shared || where == Where::generic) {
        d.kernel().shared_granule = std::min(d.kernel().shared_granule, bytes);
    }
}

void push_address(Decoding & d, const Operand & operand, const PlaceNamed & place) {
    AddressRef ref = d.address(operand, place.space);
    if (place.where == Where::generic && ref.symbol_space) {
        // A generic access to a named variable: its address in the generic space.
        if (*ref.symbol_space == Space::shared) ref.offset += static_cast<int64_t>(shared_window);
        if (*ref.symbol_space == Space::local) ref.offset += static_cast<int64_t>(local_window);
        if (*ref.symbol_space == Space::param) ref.offset += static_cast<int64_t>(param_window);
    }
    d.push({ref.base.offset, ref.has_base ? static_cast<uint32_t>(ref.base.bytes) : 0});
    d.imm(static_cast<uint64_t>(ref.offset));
}

std::vector<Operand> elements_of(Decoding & d, const Operand & value) {
    const size_t width = d.take("v2") ? 2 : d.take("v4") ? 4 : 1;
    if (width == 1 && value.kind != OperandKind::vector) return {value};
    if (value.kind != OperandKind::vector || value.items.size() != width) {
        d.fail("its vector has the wrong number of elements");
    }
    return value.items;
}

RowRef element_row(Decoding & d, const Operand & element, int bytes, bool load) {
    const int least = std::max(2, bytes);
    if (element.kind == OperandKind::sink && load) return {d.scratch(least), least};
    if (load && element.kind != OperandKind::reg) d.fail("its destination is no register");
    const RowRef ref = d.any_row(element, bytes);
    if (ref.bytes < bytes) d.fail("a register is narrower than the access");
    return ref;
}

Handler loader_by_type(Type type, Where where, size_t n) {
    switch (type) {
        case Type::s8: return loader_of<int8_t>(where, n);
        case Type::s16: return loader_of<int16_t>(where, n);
        case Type::s32: return loader_of<int32_t>(where, n);
        default: break;
    }
    switch (ptx::size_of(type)) {
        case 1: return loader_of<uint8_t>(where, n);
        case 2: return loader_of<uint16_t>(where, n);
        case 4: return loader_of<uint32_t>(where, n);
        case 8: return loader_of<uint64_t>(where, n);
        default: return nullptr;
    }
}

Handler storer_by_type(Type type, Where where, size_t n) {
    switch (ptx::size_of(type)) {
        case 1: return storer_of<uint8_t>(where, n);
        case 2: return storer_of<uint16_t>(where, n);
        case 4: return storer_of<uint32_t>(where, n);
        case 8: return storer_of<uint64_t>(where, n);
        default: return nullptr;
    }
}

InstClass class_of(const PlaceNamed & place, bool load) {
    if (place.constant) return InstClass::load_constant;
    switch (place.where) {
        case Where::global: return load ? InstClass::load_global : InstClass::store_global;
        case Where::shared: return load ? InstClass::load_shared : InstClass::store_shared;
        case Where::local: return load ? InstClass::load_local : InstClass::store_local;
        case Where::param: return load ? InstClass::load_constant : InstClass::store_local;
        case Where::generic: return load ? InstClass::load_generic : InstClass::store_generic;
    }
    return InstClass::other;
}

void decode_access(Decoding & d, bool load) {
    if (d.take("mmio")) d.fail("memory-mapped I/O");
    const PlaceNamed place = take_place(d);
    if (place.constant && !load) d.fail("constants cannot be written");
    take_hints(d);
    d.expect_count(2, 3);  // the third is a cache policy
    const std::vector<Operand> elements = elements_of(d, d.arg(load ? 0 : 1));
    const Type type = d.take_type();
    if (type == Type::pred || type == Type::tf32) d.fail("not a type in memory");
    const int bytes = ptx::size_of(type);
    push_address(d, d.arg(load ? 1 : 0), place);
    for (const Operand & element : elements) {
        const RowRef ref = element_row(d, element, bytes, load);
        d.push({ref.offset, static_cast<uint32_t>(ref.bytes)});
    }
    const size_t n = elements.size();
    note_shared_size(d, place.where, static_cast<uint32_t>(bytes) * static_cast<uint32_t>(n));
    d.emit(load ? loader_by_type(type, place.where, n) : storer_by_type(type, place.where, n),
           class_of(place, load));
}

// ---- cp.async. op: for target and source a row, its bytes and the offset in two words; then what
// limits the source (a row of sizes, or a predicate and its flip), and which of these it is.
// imm: the size.
enum : size_t { copy_to = 0, copy_from = 4, limit_at = 8, limit_kind = 9, limit_flip = 10 };
enum : uint32_t { no_limit, limit_by_size, limit_by_predicate };

void copy_addresses(Warp & warp, const uint32_t * op, Lanes64 & address) {
    add_offset(warp, op[0], op[1], op[2] | uint64_t(op[3]) << 32, address);
}

// How many bytes each lane reads; beyond them the copy is zero.
void copy_sizes(Warp & warp, const Inst & inst, uint32_t size, uint32_t (&sizes)[lanes]) {
    const uint32_t at = inst.op[limit_at];
    const uint32_t ignored =
        inst.op[limit_kind] == limit_by_predicate ? warp.predicates[at] ^ inst.op[limit_flip] : 0;
    for (int i = 0; i < lanes; ++i) sizes[i] = (ignored >> i) & 1 ? 0 : size;
    if (inst.op[limit_kind] == limit_by_size) {
        std::memcpy(sizes, warp.row<uint32_t>(at), sizeof sizes);
    }
}

void read_whole(Warp & warp, const Inst & inst, uint32_t mask, const Lanes64 & from,
                AsyncCopy & copy) {
    HostLanes host;
    for (const int lane :
         lanes_of(access_global(warp, inst, mask, from, copy.bytes, false, host))) {
        std::memcpy(copy.data[static_cast<size_t>(lane)].data(), host.at[lane], copy.bytes);
    }
}

void read_part(Warp & warp, const Inst & inst, int lane, uint32_t size, const Lanes64 & from,
               AsyncCopy & copy) {
    Lanes64 byte = from;
    HostLanes host;
    for (uint32_t b = 0; b < size; ++b) {
        byte.at[lane] = from.at[lane] + b;
        if (access_global(warp, inst, 1u << lane, byte, 1, false, host)) {
            copy.data[static_cast<size_t>(lane)][b] = *host.at[lane];
        }
    }
}

// Lanes whose groups have come apart are kept apart.
void put_in_groups(Warp & warp, const AsyncCopy & copy) {
    uint32_t rest = copy.mask;
    while (rest != 0) {
        const uint32_t group = warp.copy_groups[static_cast<size_t>(first_lane(rest))];
        uint32_t same = 0;
        for (const int lane : lanes_of(rest)) {
            if (warp.copy_groups[static_cast<size_t>(lane)] == group) same |= 1u << lane;
        }
        warp.copies.push_back(copy);
        warp.copies.back().mask = same;
        warp.copies.back().group = group;
        rest &= ~same;
    }
}

void async_copy(Warp & warp, const Inst & inst, uint32_t mask) {
    const auto size = static_cast<uint32_t>(inst.imm);
    Lanes64 to, from;
    copy_addresses(warp, inst.op + copy_to, to);
    copy_addresses(warp, inst.op + copy_from, from);
    AsyncCopy copy{};
    copy.bytes = size;
    copy.mask = access_shared(warp, inst, mask, to, size, SharedUse::async_begin);
    count_banks(warp, copy.mask, to, size);
    alignas(64) uint32_t sizes[lanes];
    copy_sizes(warp, inst, size, sizes);
    uint32_t whole = 0, part = 0;
    for (const int lane : lanes_of(copy.mask)) {
        if (sizes[lane] >= size) whole |= 1u << lane;
        if (sizes[lane] != 0 && sizes[lane] < size) part |= 1u << lane;
    }
    read_whole(warp, inst, whole, from, copy);
    for (const int lane : lanes_of(part)) read_part(warp, inst, lane, sizes[lane], from, copy);
    for (size_t i = 0; i < lanes; ++i) copy.to[i] = static_cast<uint32_t>(to.at[i]);
    put_in_groups(warp, copy);
}

void commit_group(Warp & warp, const Inst &, uint32_t mask) {
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        ++warp.copy_groups[static_cast<size_t>(__builtin_ctz(rest))];
    }
}

void wait_group(Warp & warp, const Inst & inst, uint32_t mask) {
    finish_copies(warp, inst, mask, static_cast<uint32_t>(inst.imm), false);
}

void wait_all(Warp & warp, const Inst & inst, uint32_t mask) {
    commit_group(warp, inst, mask);
    finish_copies(warp, inst, mask, 0, true);
}

void emit_wait(Decoding & d) {
    d.expect_count(1);
    const int64_t keep = d.need_constant(d.arg(0), "the number of groups");
    if (keep < 0 || keep > 1 << 20) d.fail("the number of groups is out of range");
    d.imm(static_cast<uint64_t>(keep));
    d.emit(wait_group, InstClass::async_copy);
}

void emit_plain(Decoding & d, Handler handler) {
    d.expect_count(0);
    d.emit(handler, InstClass::async_copy);
}

int64_t copied_size(Decoding & d, bool cg) {
    const int64_t size = d.need_constant(d.arg(2), "the size");
    if (size != 4 && size != 8 && size != 16) d.fail("a size other than 4, 8 and 16 bytes");
    if (cg && size != 16) d.fail(".cg copies 16 bytes");
    return size;
}

void push_limit(Decoding & d) {
    if (d.count() < 4) return d.push({0, no_limit, 0});
    const Operand & limit = d.arg(3);
    const bool predicate =
        limit.kind == OperandKind::reg && d.decoder().register_type(limit.reg) == Type::pred;
    if (!predicate) return d.push({d.row(limit, 4), limit_by_size, 0});
    Operand plain = limit;
    plain.negated = false;
    d.push({d.predicate(plain), limit_by_predicate, limit.negated ? full_mask : 0});
}

void emit_copy(Decoding & d) {
    if (d.peek("bulk") || d.peek("mbarrier")) d.fail("bulk copies and mbarriers are not known");
    const bool cg = d.take("cg");
    if (!cg && !d.take("ca")) d.fail("it needs .ca or .cg");
    if (!d.take("shared") && !d.take("shared::cta")) d.fail("its target is not shared memory");
    if (!d.take("global")) d.fail("its source is not global memory");
    take_hints(d);
    d.expect_count(3, 4);
    const int64_t size = copied_size(d, cg);
    for (const AddressRef & ref :
         {d.address(d.arg(0), Space::shared), d.address(d.arg(1), Space::global)}) {
        const auto offset = static_cast<uint64_t>(ref.offset);
        d.push({ref.base.offset, ref.has_base ? static_cast<uint32_t>(ref.base.bytes) : 0,
                static_cast<uint32_t>(offset), static_cast<uint32_t>(offset >> 32)});
    }
    push_limit(d);
    d.imm(static_cast<uint64_t>(size));
    d.kernel().shared_granule = std::min(d.kernel().shared_granule, 4u);
    d.emit(async_copy, InstClass::async_copy);
}

void nothing(Warp &, const Inst &, uint32_t) {}

// The lanes whose copy is due: all of them, or those that `keep_groups` newer groups follow.
uint32_t due_lanes(const Warp & warp, const AsyncCopy & copy, uint32_t mask, uint32_t keep_groups,
                   bool all) {
    if (all) return copy.mask & mask;
    uint32_t due = 0;
    for (const int lane : lanes_of(copy.mask & mask)) {
        const uint32_t committed = warp.copy_groups[static_cast<size_t>(lane)];
        if (committed >= keep_groups && copy.group < committed - keep_groups) due |= 1u << lane;
    }
    return due;
}

void land(Warp & warp, const Inst & inst, uint32_t landing, AsyncCopy & copy) {
    Lanes64 to;
    for (size_t i = 0; i < lanes; ++i) to.at[i] = copy.to[i];
    access_shared(warp, inst, landing, to, copy.bytes, SharedUse::async_end);
    for (const int lane : lanes_of(landing)) {
        std::memcpy(warp.block->shared + to.at[lane], copy.data[static_cast<size_t>(lane)].data(),
                    copy.bytes);
    }
    copy.mask &= ~landing;
}

}  // namespace

void finish_copies(Warp & warp, const Inst & inst, uint32_t mask, uint32_t keep_groups, bool all) {
    for (AsyncCopy & copy : warp.copies) {
        const uint32_t landing = due_lanes(warp, copy, mask, keep_groups, all);
        if (landing != 0) land(warp, inst, landing, copy);
    }
    warp.copies.erase(std::remove_if(warp.copies.begin(), warp.copies.end(),
                                     [](const AsyncCopy & copy) { return copy.mask == 0; }),
                      warp.copies.end());
}

void decode_load(Decoding & d) { decode_access(d, true); }
void decode_store(Decoding & d) { decode_access(d, false); }

void decode_cp(Decoding & d) {
    if (!d.take("async")) d.fail("it is not known");
    if (d.take("commit_group")) return emit_plain(d, commit_group);
    if (d.take("wait_all")) return emit_plain(d, wait_all);
    if (d.take("wait_group")) return emit_wait(d);
    emit_copy(d);
}

void decode_prefetch(Decoding & d) {
    for (const char * word :
         {"global", "local", "L1", "L2", "L2::evict_last", "L2::evict_normal"}) {
        d.take(word);
    }
    d.emit(nothing, InstClass::other);
}

void decode_fence(Decoding & d) {
    for (const char * word :
         {"sc", "acq_rel", "acquire", "release", "cta", "gl", "gpu", "sys", "cluster"}) {
        d.take(word);
    }
    d.expect_count(0);
    d.emit(nothing, InstClass::barrier);
}

}  // namespace llamaproof::emulator
