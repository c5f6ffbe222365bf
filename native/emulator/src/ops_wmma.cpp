// wmma.load, wmma.store, wmma.mma and mma.sync.m8n8k4, all for f16 (PTX ISA, "Warp Level Matrix
// Instructions").
//
// The ISA leaves open which element of a matrix lies where in a wmma fragment. Here the registers
// of a fragment, one row of 32 lanes after the other, hold the matrix line by line: a and b by the
// lines they have in memory, so that a product that names another layout than the load did comes
// out wrong, as on a GPU; accumulators by rows. A matrix smaller than its fragment is repeated. Nor
// does the ISA say which lane fetches what: lanes take turns at pieces of 16 bytes, and sectors and
// bank conflicts are counted for that.
//
// Products are exact in f32 and added to c one by one, k ascending, each sum rounded to nearest
// even f32; an f16 accumulator is widened before and rounded once after, as for the other shapes of
// mma.

#include <algorithm>

#include "access.h"
#include "decode.h"
#include "half_rows.h"
#include "matrix.h"
#include "reals.h"
#include "rows.h"
#include "state_space.h"

namespace llamaproof::emulator {

using ptx::Operand;
using ptx::OperandKind;
using ptx::Space;
using ptx::Type;

namespace {

constexpr uint32_t piece = 16;  // bytes a lane moves at once
constexpr int depth = 16;       // of all wmma shapes for f16
constexpr int multiplicand_registers = 8;

// ---- wmma.load and wmma.store. op: base row, base bytes, where, stride row or no_row, lines,
// bytes of a line, bytes of an element, flags, number of registers, registers...; imm: the
// address's offset.
enum : size_t {
    base_row,
    base_bytes,
    where_at,
    stride_row,
    line_count,
    line_bytes,
    element_bytes,
    flags_at,
    register_count,
    first_register
};
constexpr uint32_t no_row = 0xffffffffu;
constexpr uint32_t is_transposed = 1;  // an accumulator whose lines in memory are columns

constexpr size_t largest_fragment = 8 * lanes * 4;

struct Tile {
    bool shared = false;
    uint64_t base = 0;
    uint64_t stride = 0;  // bytes from line to line
    uint32_t pieces = 0, pieces_a_line = 0;
};

template <class T>
T same_in_all(Warp & warp, const Inst & inst, uint32_t mask, const T * row, const char * what) {
    const T value = row[first_lane(mask)];
    for (uint32_t rest = mask; rest != 0 && warp.worker->launch->check; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
        if (row[lane] == value) continue;
        warp.worker->report(FindingKind::missing_lane, warp, inst, lane, row[lane],
                            "lane " + std::to_string(lane) + " gives another " + what +
                                " than lane " + std::to_string(first_lane(mask)) +
                                "; the whole warp must give the same");
        break;
    }
    return value;
}

Tile tile_of(Warp & warp, const Inst & inst, uint32_t mask) {
    Tile tile;
    const uint32_t * op = inst.op;
    tile.base = inst.imm;
    if (op[base_bytes] == 8) {
        tile.base += same_in_all(warp, inst, mask, warp.row<uint64_t>(op[base_row]), "address");
    }
    if (op[base_bytes] == 4) {
        tile.base = static_cast<uint32_t>(
            same_in_all(warp, inst, mask, warp.row<uint32_t>(op[base_row]), "address") +
            static_cast<uint32_t>(inst.imm));
    }
    const auto where = static_cast<Where>(op[where_at]);
    tile.shared = where == Where::shared;
    if (where == Where::generic && tile.base >= local_window) {
        if (tile.base - shared_window >= window_size) {
            stop_at(warp, inst, "a matrix in local memory");
        }
        tile.base -= shared_window;
        tile.shared = true;
    }
    tile.stride = op[line_bytes];
    if (op[stride_row] != no_row) {
        tile.stride =
            uint64_t(same_in_all(warp, inst, mask, warp.row<uint32_t>(op[stride_row]), "stride")) *
            op[element_bytes];
    }
    tile.pieces_a_line = op[line_bytes] / piece;
    tile.pieces = tile.pieces_a_line * op[line_count];
    // "Address Alignment": a line begins at a multiple of the fragment's bytes. For the stride, the
    // CUDA C++ Programming Guide ("Warp Matrix Functions") is content with 16 bytes, and so is the
    // hardware.
    const uint32_t fragment = 4 * op[register_count];
    if (tile.base % fragment != 0 || tile.stride % piece != 0) {
        warp.worker->report(FindingKind::misaligned, warp, inst, first_lane(mask), tile.base,
                            "a matrix whose lines are " + std::to_string(tile.stride) +
                                " bytes apart, from " + std::to_string(tile.base % fragment) +
                                " bytes beyond a multiple of " + std::to_string(fragment) + " on");
    }
    return tile;
}

// The lanes that have a piece in this turn, and where it lies.
uint32_t pieces_of_turn(const Tile & tile, uint32_t first, uint32_t mask, Lanes64 & address) {
    uint32_t taking_part = 0;
    for (uint32_t lane = 0; lane < lanes; ++lane) {
        const uint32_t p = first + lane;
        address.at[lane] =
            tile.base + (p / tile.pieces_a_line) * tile.stride + (p % tile.pieces_a_line) * piece;
        if (p < tile.pieces) taking_part |= 1u << lane;
    }
    return taking_part & mask;
}

// From lines that are columns to rows, or back.
void transpose(uint8_t * data, uint32_t lines, uint32_t line, uint32_t size) {
    uint8_t from[largest_fragment];
    std::memcpy(from, data, size_t(lines) * line * size);
    for (uint32_t l = 0; l < lines; ++l) {
        for (uint32_t e = 0; e < line; ++e) {
            std::memcpy(data + (size_t(e) * lines + l) * size, from + (size_t(l) * line + e) * size,
                        size);
        }
    }
}

void load_fragment(Warp & warp, const Inst & inst, uint32_t mask) {
    check_whole(warp, inst, mask);
    const Tile tile = tile_of(warp, inst, mask);
    alignas(64) uint8_t data[largest_fragment] = {};
    for (uint32_t first = 0; first < tile.pieces; first += lanes) {
        Lanes64 address;
        const uint32_t asking = pieces_of_turn(tile, first, mask, address);
        if (tile.shared) {
            const uint32_t good =
                access_shared(warp, inst, asking, address, piece, SharedUse::read);
            count_banks(warp, good, address, piece);
            for (const int lane : lanes_of(good)) {
                std::memcpy(data + (first + static_cast<uint32_t>(lane)) * piece,
                            warp.block->shared + address.at[lane], piece);
            }
        } else {
            HostLanes host;
            const uint32_t good = access_global(warp, inst, asking, address, piece, false, host);
            for (const int lane : lanes_of(good)) {
                std::memcpy(data + (first + static_cast<uint32_t>(lane)) * piece, host.at[lane],
                            piece);
            }
        }
    }
    const uint32_t size = inst.op[element_bytes];
    if (inst.op[flags_at] & is_transposed) {
        transpose(data, inst.op[line_count], inst.op[line_bytes] / size, size);
    }
    const uint32_t bytes = tile.pieces * piece;
    for (uint32_t r = 0; r < inst.op[register_count]; ++r) {
        blend(warp.row<uint32_t>(inst.op[first_register + r]),
              reinterpret_cast<const uint32_t *>(data + r * lanes * 4 % bytes), mask);
    }
}

void store_fragment(Warp & warp, const Inst & inst, uint32_t mask) {
    check_whole(warp, inst, mask);
    const Tile tile = tile_of(warp, inst, mask);
    alignas(64) uint8_t data[largest_fragment];
    for (uint32_t r = 0; r < inst.op[register_count]; ++r) {
        std::memcpy(data + r * lanes * 4, warp.row<uint32_t>(inst.op[first_register + r]),
                    lanes * 4);
    }
    const uint32_t size = inst.op[element_bytes], line = inst.op[line_bytes] / size;
    if (inst.op[flags_at] & is_transposed) transpose(data, line, inst.op[line_count], size);
    for (uint32_t first = 0; first < tile.pieces; first += lanes) {
        Lanes64 address;
        const uint32_t asking = pieces_of_turn(tile, first, mask, address);
        const uint8_t * value = data + first * piece;
        if (tile.shared) {
            const uint32_t good =
                access_shared(warp, inst, asking, address, piece, SharedUse::write, value);
            count_banks(warp, good, address, piece);
            for (const int lane : lanes_of(good)) {
                std::memcpy(warp.block->shared + address.at[lane],
                            value + static_cast<size_t>(lane) * piece, piece);
            }
        } else {
            HostLanes host;
            const uint32_t good = access_global(warp, inst, asking, address, piece, true, host);
            for (const int lane : lanes_of(good)) {
                std::memcpy(host.at[lane], value + static_cast<size_t>(lane) * piece, piece);
            }
            mark_global(warp, inst, good, address, piece);
        }
    }
}

// ---- wmma.mma. op: registers of d, a, b, c; imm: 1 where a's lines are columns, 2 where b's are.

template <int Rows, int Columns>
void multiply(const float (&a)[Rows][depth], const float (&b)[depth][Columns],
              float (&c)[Rows][Columns]) {
    for (int i = 0; i < Rows; ++i) {
        for (int k = 0; k < depth; ++k) {
            const float factor = a[i][k];
            for (int j = 0; j < Columns; ++j) c[i][j] = __builtin_fmaf(factor, b[k][j], c[i][j]);
        }
    }
}

template <int Rows, int Columns> uint64_t rows_with_anything(const float (&m)[Rows][Columns]) {
    uint64_t count = 0;
    for (const auto & row : m) {
        count += std::any_of(std::begin(row), std::end(row), [](float x) { return x != 0.0f; });
    }
    return count;
}

template <int Rows, int Columns> uint64_t columns_with_anything(const float (&m)[Rows][Columns]) {
    bool any[Columns] = {};
    for (const auto & row : m) {
        for (int j = 0; j < Columns; ++j) any[j] = any[j] || row[j] != 0.0f;
    }
    return static_cast<uint64_t>(std::count(any, any + Columns, true));
}

// A multiplicand of `Rows` x `Columns` from its fragment.
template <int Rows, int Columns>
void take_multiplicand(Warp & warp, const uint32_t * registers, bool by_columns,
                       float (&to)[Rows][Columns]) {
    alignas(64) float flat[Rows * Columns];
    for (int r = 0; r < Rows * Columns / 64; ++r) {
        HalfRow::widen(flat + 64 * r, warp.row<uint16_t>(registers[r]), 64);
    }
    if (!by_columns) {
        std::memcpy(to, flat, sizeof flat);
        return;
    }
    for (int i = 0; i < Rows; ++i) {
        for (int j = 0; j < Columns; ++j) to[i][j] = flat[j * Rows + i];
    }
}

// An accumulator in four registers of halves, or eight of f32.
template <bool Half> void take_accumulator(Warp & warp, const uint32_t * registers, float * to) {
    if constexpr (Half) {
        for (int r = 0; r < 4; ++r) {
            HalfRow::widen(to + 64 * r, warp.row<uint16_t>(registers[r]), 64);
        }
    } else {
        for (int r = 0; r < 8; ++r) {
            std::memcpy(to + lanes * r, warp.row<float>(registers[r]), sizeof(float) * lanes);
        }
    }
}

template <bool Half>
void put_accumulator(Warp & warp, const uint32_t * registers, const float * from, uint32_t mask) {
    if constexpr (Half) {
        for (int r = 0; r < 4; ++r) {
            alignas(64) uint16_t out[64];
            HalfRow::narrow(out, from + 64 * r, 64);
            blend(warp.row<uint32_t>(registers[r]), reinterpret_cast<const uint32_t *>(out), mask);
        }
    } else {
        for (int r = 0; r < 8; ++r) {
            alignas(64) float out[lanes];
            for (int i = 0; i < lanes; ++i) out[i] = canonical(from[lanes * r + i]);
            blend(warp.row<float>(registers[r]), out, mask);
        }
    }
}

template <int M, int N, bool HalfD, bool HalfC>
void multiply_fragments(Warp & warp, const Inst & inst, uint32_t mask) {
    check_whole(warp, inst, mask);
    constexpr int a_at = HalfD ? 4 : 8, b_at = a_at + multiplicand_registers,
                  c_at = b_at + multiplicand_registers;
    alignas(64) float a[M][depth];
    alignas(64) float b[depth][N];
    alignas(64) float c[M][N];
    take_multiplicand(warp, inst.op + a_at, inst.imm & 1, a);
    take_multiplicand(warp, inst.op + b_at, inst.imm & 2, b);
    take_accumulator<HalfC>(warp, inst.op + c_at, &c[0][0]);
    multiply(a, b, c);
    const bool check = warp.worker->launch->check;
    const uint64_t rows_used = check ? rows_with_anything(a) : 0,
                   columns_used = check ? columns_with_anything(b) : 0;
    count_product(
        warp.worker->counts,
        {uint64_t(M) * N * depth, rows_used * columns_used * depth, M, rows_used, N, columns_used},
        check);
    put_accumulator<HalfD>(warp, inst.op, &c[0][0], mask);
}

// ---- mma.m8n8k4: four products, one for each quad pair (lanes 4q to 4q + 3 and 16 + 4q to 16 + 4q
// + 3). op and imm as above.

constexpr int quad_depth = 4;

struct QuadElement {
    int row, column;
};

// "Matrix Fragments for mma.m8n8k4 with .f16 floating point type". Element i of a lane; `high` is 4
// for lanes from 16 on.
constexpr QuadElement quad_a(int lane, int i, bool by_columns) {
    const int high = lane < 16 ? 0 : 4;
    return by_columns ? QuadElement{i + high, lane % 4} : QuadElement{lane % 4 + high, i};
}
constexpr QuadElement quad_b(int lane, int i, bool by_columns) {
    const int high = lane < 16 ? 0 : 4;
    return by_columns ? QuadElement{i, lane % 4 + high} : QuadElement{lane % 4, i + high};
}
constexpr QuadElement quad_half(int lane, int i) { return {lane % 4 + (lane < 16 ? 0 : 4), i}; }
constexpr QuadElement quad_single(int lane, int i) {
    return {(lane & 1) + (i & 2) + (lane < 16 ? 0 : 4), (i & 4) + (lane & 2) + (i & 1)};
}
constexpr int quad_of(int lane) { return lane / 4 % 4; }

// Element i of a lane's fragment of halves.
float half_at(Warp & warp, const uint32_t * registers, int lane, int i) {
    return half_to_float(warp.row<uint16_t>(registers[i / 2])[2 * lane + i % 2]);
}

using QuadA = float[4][8][quad_depth];
using QuadB = float[4][quad_depth][8];
using QuadC = float[4][8][8];

void take_quads(Warp & warp, const Inst & inst, int a_at, int b_at, QuadA & a, QuadB & b) {
    for (int lane = 0; lane < lanes; ++lane) {
        const int q = quad_of(lane);
        for (int i = 0; i < 4; ++i) {
            const QuadElement in_a = quad_a(lane, i, inst.imm & 1),
                              in_b = quad_b(lane, i, inst.imm & 2);
            a[q][in_a.row][in_a.column] = half_at(warp, inst.op + a_at, lane, i);
            b[q][in_b.row][in_b.column] = half_at(warp, inst.op + b_at, lane, i);
        }
    }
}

template <bool Half> void take_quads(Warp & warp, const uint32_t * registers, QuadC & c) {
    for (int lane = 0; lane < lanes; ++lane) {
        for (int i = 0; i < 8; ++i) {
            const QuadElement at = Half ? quad_half(lane, i) : quad_single(lane, i);
            c[quad_of(lane)][at.row][at.column] =
                Half ? half_at(warp, registers, lane, i) : warp.row<float>(registers[i])[lane];
        }
    }
}

template <bool Half>
void put_quads(Warp & warp, const uint32_t * registers, const QuadC & c, uint32_t mask) {
    const auto value = [&](int lane, int i) {
        const QuadElement at = Half ? quad_half(lane, i) : quad_single(lane, i);
        return c[quad_of(lane)][at.row][at.column];
    };
    for (int r = 0; r < (Half ? 4 : 8); ++r) {
        alignas(64) uint32_t out[lanes];
        for (int lane = 0; lane < lanes; ++lane) {
            out[lane] = Half ? float_to_half(value(lane, 2 * r)) |
                                   uint32_t(float_to_half(value(lane, 2 * r + 1))) << 16
                             : bits_of(canonical(value(lane, r)));
        }
        blend(warp.row<uint32_t>(registers[r]), out, mask);
    }
}

void multiply_quad(const float (&a)[8][quad_depth], const float (&b)[quad_depth][8],
                   float (&c)[8][8]) {
    for (int i = 0; i < 8; ++i) {
        for (int k = 0; k < quad_depth; ++k) {
            for (int j = 0; j < 8; ++j) c[i][j] = __builtin_fmaf(a[i][k], b[k][j], c[i][j]);
        }
    }
}

template <bool HalfD, bool HalfC>
void multiply_quads(Warp & warp, const Inst & inst, uint32_t mask) {
    check_whole(warp, inst, mask);
    constexpr int a_at = HalfD ? 4 : 8, b_at = a_at + 2, c_at = b_at + 2;
    alignas(64) QuadA a;
    alignas(64) QuadB b;
    alignas(64) QuadC c;
    take_quads(warp, inst, a_at, b_at, a, b);
    take_quads<HalfC>(warp, inst.op + c_at, c);
    const bool check = warp.worker->launch->check;
    Product product;
    product.macs = uint64_t(4) * 8 * 8 * quad_depth;
    product.rows = product.columns = 32;
    for (int q = 0; q < 4; ++q) {
        multiply_quad(a[q], b[q], c[q]);
        if (!check) continue;
        const uint64_t rows = rows_with_anything(a[q]), columns = columns_with_anything(b[q]);
        product.rows_used += rows;
        product.columns_used += columns;
        product.macs_used += rows * columns * quad_depth;
    }
    count_product(warp.worker->counts, product, check);
    put_quads<HalfD>(warp, inst.op, c, mask);
}

// ---- Decoding.

void push_fragment(Decoding & d, const Operand & operand, int count, bool destination) {
    if (operand.kind != OperandKind::vector || static_cast<int>(operand.items.size()) != count) {
        d.fail("a fragment has the wrong number of registers");
    }
    for (const Operand & item : operand.items) {
        d.push(destination ? d.destination(item, 4) : d.row(item, 4));
    }
}

bool takes_columns(Decoding & d) {
    const auto layout = d.take_earliest_of({"row", "col"});
    if (!layout) d.fail("it names no layout");
    return *layout == "col";
}

struct Shape {
    uint32_t m, n;
};

Shape take_shape(Decoding & d) {
    const auto shape = d.take_one_of({"m16n16k16", "m32n8k16", "m8n32k16"});
    if (!shape) d.fail("its shape is not known");
    return *shape == "m16n16k16"  ? Shape{16, 16}
           : *shape == "m32n8k16" ? Shape{32, 8}
                                  : Shape{8, 32};
}

bool is_half(Decoding & d, Type type) {
    if (type != Type::f16 && type != Type::f32) d.fail("its accumulator type is not known");
    return type == Type::f16;
}

InstClass class_of(Where where, bool load) {
    switch (where) {
        case Where::global: return load ? InstClass::load_global : InstClass::store_global;
        case Where::shared: return load ? InstClass::load_shared : InstClass::store_shared;
        case Where::generic: break;
    }
    return load ? InstClass::load_generic : InstClass::store_generic;
}

// A matrix as it lies in memory, and how many registers hold it.
struct Fragment {
    uint32_t lines, line, element, registers;
    bool transposed;
};

Fragment take_fragment(Decoding & d, std::string_view role) {
    const bool by_columns = takes_columns(d);
    const Shape shape = take_shape(d);
    const uint32_t rows = role == "b" ? depth : shape.m, columns = role == "a" ? depth : shape.n;
    const Type type = d.take_type();
    const bool accumulator = role == "c" || role == "d";
    if (!accumulator && type != Type::f16) d.fail("its element type is not known");
    const bool half = is_half(d, type);
    const uint32_t accumulator_registers = half ? 4 : 8;
    return {by_columns ? columns : rows, by_columns ? rows : columns, half ? 2u : 4u,
            accumulator ? accumulator_registers : multiplicand_registers,
            accumulator && by_columns};
}

void decode_fragment(Decoding & d, bool load) {
    const auto role = load ? d.take_one_of({"a", "b", "c"}) : d.take_one_of({"d"});
    if (!role) d.fail("it names no matrix");
    if (!d.take("sync")) d.fail("this form is not known");
    d.take("aligned");
    Where where = take_where(d);
    const Fragment fragment = take_fragment(d, *role);
    d.expect_count(2, 3);
    const AddressRef ref = d.address(d.arg(load ? 1 : 0), space_of(where));
    if (ref.symbol_space == Space::shared) where = Where::shared;
    d.push({ref.base.offset, ref.has_base ? static_cast<uint32_t>(ref.base.bytes) : 0,
            static_cast<uint32_t>(where), d.count() == 3 ? d.row(2, 4) : no_row, fragment.lines,
            fragment.line * fragment.element, fragment.element,
            fragment.transposed ? is_transposed : 0, fragment.registers});
    d.imm(static_cast<uint64_t>(ref.offset));
    push_fragment(d, d.arg(load ? 0 : 1), static_cast<int>(fragment.registers), load);
    d.emit(load ? load_fragment : store_fragment, class_of(where, load));
}

template <int M, int N> Handler product_of(bool half_d, bool half_c) {
    if (half_d) {
        return half_c ? Handler(multiply_fragments<M, N, true, true>)
                      : Handler(multiply_fragments<M, N, true, false>);
    }
    return half_c ? Handler(multiply_fragments<M, N, false, true>)
                  : Handler(multiply_fragments<M, N, false, false>);
}

void decode_product(Decoding & d) {
    if (!d.take("sync")) d.fail("this form is not known");
    d.take("aligned");
    const bool a_by_columns = takes_columns(d), b_by_columns = takes_columns(d);
    const Shape shape = take_shape(d);
    const bool half_d = is_half(d, d.take_type()), half_c = is_half(d, d.take_type());
    d.expect_count(4);
    push_fragment(d, d.arg(0), half_d ? 4 : 8, true);
    push_fragment(d, d.arg(1), multiplicand_registers, false);
    push_fragment(d, d.arg(2), multiplicand_registers, false);
    push_fragment(d, d.arg(3), half_c ? 4 : 8, false);
    d.imm((a_by_columns ? 1u : 0u) | (b_by_columns ? 2u : 0u));
    d.emit(shape.m == 16   ? product_of<16, 16>(half_d, half_c)
           : shape.m == 32 ? product_of<32, 8>(half_d, half_c)
                           : product_of<8, 32>(half_d, half_c),
           InstClass::mma);
}

}  // namespace

void decode_quad_mma(Decoding & d) {
    const bool a_by_columns = takes_columns(d), b_by_columns = takes_columns(d);
    const bool half_d = is_half(d, d.take_type());
    if (d.take_type() != Type::f16 || d.take_type() != Type::f16) {
        d.fail("its element type is not known");
    }
    const bool half_c = is_half(d, d.take_type());
    if (half_d && !half_c) d.fail("it narrows its accumulator");
    d.expect_count(4);
    push_fragment(d, d.arg(0), half_d ? 4 : 8, true);
    push_fragment(d, d.arg(1), 2, false);
    push_fragment(d, d.arg(2), 2, false);
    push_fragment(d, d.arg(3), half_c ? 4 : 8, false);
    d.imm((a_by_columns ? 1u : 0u) | (b_by_columns ? 2u : 0u));
    d.emit(half_d   ? Handler(multiply_quads<true, true>)
           : half_c ? Handler(multiply_quads<false, true>)
                    : Handler(multiply_quads<false, false>),
           InstClass::mma);
}

void decode_wmma(Decoding & d) {
    if (d.take("load")) return decode_fragment(d, true);
    if (d.take("store")) return decode_fragment(d, false);
    if (d.take("mma")) return decode_product(d);
    d.fail("this form is not known");
}

}  // namespace llamaproof::emulator
