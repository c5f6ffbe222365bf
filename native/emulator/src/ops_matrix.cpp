// ldmatrix, stmatrix, movmatrix and mma.sync except m8n8k4 (PTX ISA, "Warp Level Matrix
// Instructions").
//
// mma computes d = a * b + c with products exact in f32 (tf32, f16, bf16) and added to c one by
// one, k ascending, each sum rounded to nearest even f32; an f16 accumulator is widened before and
// rounded once after. Hardware adds groups of products with a wider, truncating adder in an order
// that NVIDIA does not state: results differ in the last bits.

#include <algorithm>

#include "access.h"
#include "decode.h"
#include "half_rows.h"
#include "matrix.h"
#include "reals.h"
#include "rows.h"

namespace llamaproof::emulator {

using ptx::Operand;
using ptx::OperandKind;
using ptx::Space;
using ptx::Type;

// ".aligned" asks for the whole warp.
void check_whole(Warp & warp, const Inst & inst, uint32_t mask) {
    if (mask == full_mask || !warp.worker->launch->check) return;
    const uint32_t missing = ~mask;
    warp.worker->report(FindingKind::missing_lane, warp, inst, first_lane(missing), 0,
                        "lane " + std::to_string(first_lane(missing)) +
                            " does not execute this instruction, which needs the whole warp");
}

void count_product(Counts & counts, const Product & product, bool check) {
    ++counts.mma_ops;
    counts.mma_macs += product.macs;
    if (!check) return;
    counts.mma_columns += product.columns;
    counts.mma_columns_used += product.columns_used;
    counts.mma_rows += product.rows;
    counts.mma_rows_used += product.rows_used;
    counts.mma_macs_used += product.macs_used;
}

namespace {

// An 8x8 matrix of 16-bit elements: row r is lanes 4r to 4r + 3 of a 32-bit register.
void transpose(const uint16_t * from, uint16_t * to) {
    for (int r = 0; r < 8; ++r) {
        for (int c = 0; c < 8; ++c) to[c * 8 + r] = from[r * 8 + c];
    }
}

// op: base row, base bytes, number of matrices, flags, registers...; imm: offset.
constexpr uint32_t transposes = 1, generic_address = 2;

void matrix_addresses(Warp & warp, const Inst & inst, Lanes64 & address, uint32_t mask) {
    add_offset(warp, inst.op[0], inst.op[1], inst.imm, address);
    if ((inst.op[3] & generic_address) == 0) return;
    for (const int lane : lanes_of(mask)) {
        if (address.at[lane] - shared_window >= window_size) {
            stop_at(warp, inst, "a matrix address outside shared memory");
        }
    }
    for (uint64_t & a : address.at) a -= shared_window;
}

void load_matrix(Warp & warp, const Inst & inst, uint32_t mask) {
    check_whole(warp, inst, mask);
    const auto matrices = static_cast<int>(inst.op[2]);
    const uint32_t givers = matrices == 4 ? full_mask : (1u << (8 * matrices)) - 1;
    Lanes64 address;
    matrix_addresses(warp, inst, address, givers & mask);
    const uint32_t good = access_shared(warp, inst, givers & mask, address, 16, SharedUse::read);
    count_banks(warp, good, address, 16);
    alignas(64) uint16_t loaded[4][64];
    for (int m = 0; m < matrices; ++m) {
        alignas(64) uint16_t rows[64];
        for (int r = 0; r < 8; ++r) {
            const int lane = 8 * m + r;
            if ((good >> lane) & 1) {
                std::memcpy(rows + 8 * r, warp.block->shared + address.at[lane], 16);
            } else {
                std::memset(rows + 8 * r, 0, 16);
            }
        }
        if (inst.op[3] & transposes) {
            transpose(rows, loaded[m]);
        } else {
            std::memcpy(loaded[m], rows, sizeof rows);
        }
    }
    for (int m = 0; m < matrices; ++m) {
        blend(warp.row<uint32_t>(inst.op[4 + m]), reinterpret_cast<const uint32_t *>(loaded[m]),
              mask);
    }
}

void store_matrix(Warp & warp, const Inst & inst, uint32_t mask) {
    check_whole(warp, inst, mask);
    const auto matrices = static_cast<int>(inst.op[2]);
    const uint32_t givers = matrices == 4 ? full_mask : (1u << (8 * matrices)) - 1;
    Lanes64 address;
    matrix_addresses(warp, inst, address, givers & mask);
    alignas(64) uint16_t rows[4][64];
    for (int m = 0; m < matrices; ++m) {
        const uint16_t * from = warp.row<uint16_t>(inst.op[4 + m]);
        if (inst.op[3] & transposes) {
            transpose(from, rows[m]);
        } else {
            std::memcpy(rows[m], from, sizeof rows[m]);
        }
    }
    const uint32_t good = access_shared(warp, inst, givers & mask, address, 16, SharedUse::write,
                                        reinterpret_cast<const uint8_t *>(rows));
    count_banks(warp, good, address, 16);
    for (const int lane : lanes_of(good)) {
        std::memcpy(warp.block->shared + address.at[lane], rows[lane / 8] + 8 * (lane % 8), 16);
    }
}

void move_matrix(Warp & warp, const Inst & inst, uint32_t mask) {
    check_whole(warp, inst, mask);
    alignas(64) uint16_t result[64];
    transpose(warp.row<uint16_t>(inst.op[1]), result);
    blend(warp.row<uint32_t>(inst.op[0]), reinterpret_cast<const uint32_t *>(result), mask);
}

// ---- mma. A register of a fragment is an 8 x 4p matrix, p elements to a lane: row g in lanes 4g
// to 4g + 3. Register r of a covers rows 8 (r & 1) and columns 4p (r >> 1), register r of b (held
// transposed) rows 4p r.

void count_mma(Warp & warp, const Inst & inst, int rows, int a_registers, int b_registers, int a_at,
               int b_at, uint64_t macs, uint32_t magnitude) {
    const bool check = warp.worker->launch->check;
    if (!check) {
        count_product(warp.worker->counts, {macs, 0}, check);
        return;
    }
    const auto used = [&](int at, int first, int step, int registers) {
        alignas(64) uint32_t any[lanes] = {};
        for (int r = first; r < registers; r += step) {
            const uint32_t * row = warp.row<uint32_t>(inst.op[at + r]);
            for (int i = 0; i < lanes; ++i) any[i] |= row[i] & magnitude;
        }
        uint64_t count = 0;
        for (int g = 0; g < 8; ++g) {
            count += (any[4 * g] | any[4 * g + 1] | any[4 * g + 2] | any[4 * g + 3]) != 0;
        }
        return count;
    };
    const uint64_t columns_used = used(b_at, 0, 1, b_registers);
    const uint64_t rows_used = rows == 8
                                   ? used(a_at, 0, 1, a_registers)
                                   : used(a_at, 0, 2, a_registers) + used(a_at, 1, 2, a_registers);
    const auto all_rows = static_cast<uint64_t>(rows);
    count_product(warp.worker->counts,
                  {macs, macs / (8 * all_rows) * rows_used * columns_used, all_rows, rows_used, 8,
                   columns_used},
                  check);
}

// d[rows][8] = a[rows][K] * b[K][8] + c.
template <int Rows, int K>
void multiply(const float (&a)[Rows][K], const float (&b)[K][8], float (&c)[Rows][8]) {
#if defined(__AVX2__) && defined(__FMA__)
    for (int half = 0; half < Rows; half += 8) {
        __m256 sum[8];
        for (int i = 0; i < 8; ++i) sum[i] = _mm256_load_ps(c[half + i]);
        for (int k = 0; k < K; ++k) {
            const __m256 row = _mm256_load_ps(b[k]);
            for (int i = 0; i < 8; ++i) {
                sum[i] = _mm256_fmadd_ps(_mm256_broadcast_ss(&a[half + i][k]), row, sum[i]);
            }
        }
        for (int i = 0; i < 8; ++i) _mm256_store_ps(c[half + i], sum[i]);
    }
#else
    for (int i = 0; i < Rows; ++i) {
        for (int k = 0; k < K; ++k) {
            for (int j = 0; j < 8; ++j) c[i][j] = __builtin_fmaf(a[i][k], b[k][j], c[i][j]);
        }
    }
#endif
}

template <class T> void transpose8(const T * from, int stride, T (*to)[8]) {
    for (int r = 0; r < 8; ++r) {
        for (int c = 0; c < 8; ++c) to[c][r] = from[r * stride + c];
    }
}

#if defined(__AVX2__)
inline void transpose8(const float * from, int stride, float (*to)[8]) {
    __m256 r[8], s[8];
    for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(from + i * stride);
    for (int i = 0; i < 8; i += 2) {
        s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
    }
    for (int i = 0; i < 4; ++i) {
        _mm256_store_ps(to[i], _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_store_ps(to[i + 4], _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}
#endif

struct HalfElement {
    static constexpr int per_register = 2;
    static constexpr uint32_t magnitude = 0x7fff7fffu;
    static void widen(float * to, const void * from) {
        HalfRow::widen(to, static_cast<const uint16_t *>(from), 64);
    }
};
struct BfloatElement {
    static constexpr int per_register = 2;
    static constexpr uint32_t magnitude = 0x7fff7fffu;
    static void widen(float * to, const void * from) {
        BfloatRow::widen(to, static_cast<const uint16_t *>(from), 64);
    }
};
// The lower 13 bits of a tf32 register are ignored.
struct Tf32Element {
    static constexpr int per_register = 1;
    static constexpr uint32_t magnitude = 0x7fffe000u;
    static void widen(float * to, const void * from) {
        const auto * words = static_cast<const uint32_t *>(from);
        for (int i = 0; i < lanes; ++i) to[i] = float_of(words[i] & 0xffffe000u);
    }
};

// The registers of a: row g + 8 (r & 1) from column chunk (r >> 1) on.
template <class E, int K> void take_a(Warp & warp, const uint32_t * registers, float (&a)[16][K]) {
    constexpr int chunk = 4 * E::per_register;
    alignas(64) float plain[8 * chunk];
    for (int r = 0; r < 2 * K / chunk; ++r) {
        E::widen(plain, warp.row<uint32_t>(registers[r]));
        for (int g = 0; g < 8; ++g) {
            std::memcpy(&a[g + 8 * (r & 1)][chunk * (r >> 1)], plain + chunk * g,
                        sizeof(float) * chunk);
        }
    }
}

template <class E, int K> void take_b(Warp & warp, const uint32_t * registers, float (&b)[K][8]) {
    constexpr int chunk = 4 * E::per_register;
    alignas(64) float plain[8 * chunk];
    for (int r = 0; r < K / chunk; ++r) {
        E::widen(plain, warp.row<uint32_t>(registers[r]));
        if constexpr (chunk == 8) {
            transpose8(plain, 8, &b[chunk * r]);
        } else {
            for (int k = 0; k < chunk; ++k) {
                for (int g = 0; g < 8; ++g) b[chunk * r + k][g] = plain[chunk * g + k];
            }
        }
    }
}

// Half: an accumulator is f16 in two registers, else f32 in four.
template <bool Half> void take_c(Warp & warp, const uint32_t * registers, float (&c)[16][8]) {
    for (int half = 0; half < 2; ++half) {
        float * to = c[8 * half];
        if constexpr (Half) {
            HalfRow::widen(to, warp.row<uint16_t>(registers[half]), 64);
        } else {
            const float * even = warp.row<float>(registers[2 * half]);
            const float * odd = warp.row<float>(registers[2 * half + 1]);
            for (int i = 0; i < lanes; ++i) {
                to[2 * i] = even[i];
                to[2 * i + 1] = odd[i];
            }
        }
    }
}

template <bool Half>
void put_d(Warp & warp, const uint32_t * registers, const float (&d)[16][8], uint32_t mask) {
    for (int half = 0; half < 2; ++half) {
        const float * from = d[8 * half];
        if constexpr (Half) {
            alignas(64) uint16_t out[64];
            HalfRow::narrow(out, from, 64);
            blend(warp.row<uint32_t>(registers[half]), reinterpret_cast<const uint32_t *>(out),
                  mask);
        } else {
            alignas(64) float even[lanes], odd[lanes];
            for (int i = 0; i < lanes; ++i) {
                even[i] = canonical(from[2 * i]);
                odd[i] = canonical(from[2 * i + 1]);
            }
            blend(warp.row<float>(registers[2 * half]), even, mask);
            blend(warp.row<float>(registers[2 * half + 1]), odd, mask);
        }
    }
}

// op: d registers, a, b, c.
template <class E, int K, bool Half> void mma_real(Warp & warp, const Inst & inst, uint32_t mask) {
    check_whole(warp, inst, mask);
    constexpr int chunk = 4 * E::per_register, a_registers = 2 * K / chunk, b_registers = K / chunk,
                  c_registers = Half ? 2 : 4;
    constexpr int a_at = c_registers, b_at = a_at + a_registers, c_at = b_at + b_registers;
    alignas(64) float a[16][K];
    alignas(64) float b[K][8];
    alignas(64) float c[16][8];
    take_a<E>(warp, inst.op + a_at, a);
    take_b<E>(warp, inst.op + b_at, b);
    take_c<Half>(warp, inst.op + c_at, c);
    multiply<16, K>(a, b, c);
    count_mma(warp, inst, 16, a_registers, b_registers, a_at, b_at, uint64_t(16) * 8 * K,
              E::magnitude);
    put_d<Half>(warp, inst.op, c, mask);
}

// Elements of 8 bits: register r covers rows 8 (r % halves) and columns 16 (r / halves).
template <class A, int Rows, int K>
void take_bytes_a(Warp & warp, const uint32_t * registers, int32_t (&a)[Rows][K]) {
    constexpr int halves = Rows / 8, chunk = 16;
    for (int r = 0; r < halves * K / chunk; ++r) {
        const A * from = warp.row<A>(registers[r]);
        for (int g = 0; g < 8; ++g) {
            int32_t * to = &a[g + 8 * (r % halves)][chunk * (r / halves)];
            for (int k = 0; k < chunk; ++k) to[k] = from[chunk * g + k];
        }
    }
}

template <class B, int K>
void take_bytes_b(Warp & warp, const uint32_t * registers, int32_t (&b)[K][8]) {
    constexpr int chunk = 16;
    for (int r = 0; r < K / chunk; ++r) {
        const B * from = warp.row<B>(registers[r]);
        for (int g = 0; g < 8; ++g) {
            for (int k = 0; k < chunk; ++k) b[chunk * r + k][g] = from[chunk * g + k];
        }
    }
}

template <int Rows, int K>
void multiply(const int32_t (&a)[Rows][K], const int32_t (&b)[K][8], int64_t (&product)[Rows][8]) {
    for (int i = 0; i < Rows; ++i) {
        int32_t sum[8] = {};
        for (int k = 0; k < K; ++k) {
            for (int j = 0; j < 8; ++j) sum[j] += a[i][k] * b[k][j];
        }
        for (int j = 0; j < 8; ++j) product[i][j] = sum[j];
    }
}

int32_t limited(int64_t sum, bool saturates) {
    if (!saturates) return static_cast<int32_t>(sum);
    return static_cast<int32_t>(std::min<int64_t>(std::max<int64_t>(sum, INT32_MIN), INT32_MAX));
}

// imm: 1 saturates at the limits of s32.
template <class A, class B, int Rows, int K>
void mma_integer(Warp & warp, const Inst & inst, uint32_t mask) {
    check_whole(warp, inst, mask);
    constexpr int halves = Rows / 8, chunk = 16, a_registers = halves * K / chunk,
                  b_registers = K / chunk, c_registers = 2 * halves;
    constexpr int a_at = c_registers, b_at = a_at + a_registers, c_at = b_at + b_registers;
    alignas(64) int32_t a[Rows][K];
    alignas(64) int32_t b[K][8];
    alignas(64) int64_t product[Rows][8];
    take_bytes_a<A>(warp, inst.op + a_at, a);
    take_bytes_b<B>(warp, inst.op + b_at, b);
    multiply(a, b, product);
    count_mma(warp, inst, Rows, a_registers, b_registers, a_at, b_at, uint64_t(Rows) * 8 * K,
              0xffffffffu);
    alignas(64) int32_t out[c_registers][lanes];
    for (int r = 0; r < c_registers; ++r) {
        const int32_t * c = warp.row<int32_t>(inst.op[c_at + r]);
        for (int i = 0; i < lanes; ++i) {
            const int64_t sum = product[(i >> 2) + 8 * (r >> 1)][2 * (i & 3) + (r & 1)] + c[i];
            out[r][i] = limited(sum, inst.imm & 1);
        }
    }
    for (int r = 0; r < c_registers; ++r) blend(warp.row<int32_t>(inst.op[r]), out[r], mask);
}

void push_vector(Decoding & d, const Operand & operand, int count, bool destination) {
    if (operand.kind != OperandKind::vector && count == 1) {
        d.push(destination ? d.destination(operand, 4) : d.row(operand, 4));
        return;
    }
    if (operand.kind != OperandKind::vector || static_cast<int>(operand.items.size()) != count) {
        d.fail("a fragment has the wrong number of registers");
    }
    for (const Operand & item : operand.items) {
        d.push(destination ? d.destination(item, 4) : d.row(item, 4));
    }
}

// One form of mma.row.col: its shape, types and handler.
struct Form {
    std::string_view shape;
    Type d, a, b;
    Handler handler;
    int a_registers, b_registers, c_registers;
};

template <class E, int K, bool Half> constexpr Form real(std::string_view shape, Type type) {
    constexpr int chunk = 4 * E::per_register;
    return {shape,
            Half ? Type::f16 : Type::f32,
            type,
            type,
            mma_real<E, K, Half>,
            2 * K / chunk,
            K / chunk,
            Half ? 2 : 4};
}

template <class A, class B, int Rows, int K>
constexpr Form integers(std::string_view shape, Type a, Type b) {
    return {shape,  Type::s32, a, b, mma_integer<A, B, Rows, K>, Rows / 8 * K / 16,
            K / 16, Rows / 4};
}

constexpr Form forms[] = {
    real<HalfElement, 16, true>("m16n8k16", Type::f16),
    real<HalfElement, 16, false>("m16n8k16", Type::f16),
    real<HalfElement, 8, true>("m16n8k8", Type::f16),
    real<HalfElement, 8, false>("m16n8k8", Type::f16),
    real<BfloatElement, 16, false>("m16n8k16", Type::bf16),
    real<BfloatElement, 8, false>("m16n8k8", Type::bf16),
    real<Tf32Element, 8, false>("m16n8k8", Type::tf32),
    real<Tf32Element, 4, false>("m16n8k4", Type::tf32),
    integers<int8_t, int8_t, 16, 32>("m16n8k32", Type::s8, Type::s8),
    integers<int8_t, uint8_t, 16, 32>("m16n8k32", Type::s8, Type::u8),
    integers<uint8_t, int8_t, 16, 32>("m16n8k32", Type::u8, Type::s8),
    integers<uint8_t, uint8_t, 16, 32>("m16n8k32", Type::u8, Type::u8),
    integers<int8_t, int8_t, 16, 16>("m16n8k16", Type::s8, Type::s8),
    integers<int8_t, uint8_t, 16, 16>("m16n8k16", Type::s8, Type::u8),
    integers<uint8_t, int8_t, 16, 16>("m16n8k16", Type::u8, Type::s8),
    integers<uint8_t, uint8_t, 16, 16>("m16n8k16", Type::u8, Type::u8),
    integers<int8_t, int8_t, 8, 16>("m8n8k16", Type::s8, Type::s8),
    integers<int8_t, uint8_t, 8, 16>("m8n8k16", Type::s8, Type::u8),
    integers<uint8_t, int8_t, 8, 16>("m8n8k16", Type::u8, Type::s8),
    integers<uint8_t, uint8_t, 8, 16>("m8n8k16", Type::u8, Type::u8),
};

const Form & take_form(Decoding & d) {
    const auto shape = d.take_one_of({"m16n8k4", "m16n8k8", "m16n8k16", "m16n8k32", "m8n8k16"});
    if (!shape) d.fail("its shape is not known");
    if (d.take_earliest_of({"row", "col"}) != "row" || !d.take("col")) {
        d.fail("its layout is not row.col");
    }
    // In order: d, a, b, c.
    const Type td = d.take_type(), ta = d.take_type(), tb = d.take_type(), tc = d.take_type();
    if (td != tc) d.fail("its accumulators have two types");
    for (const Form & form : forms) {
        if (form.shape == *shape && form.d == td && form.a == ta && form.b == tb) return form;
    }
    d.fail("this form is not known");
}

void need_aligned_sync(Decoding & d) {
    if (!d.take("sync")) d.fail("this form is not known");
    d.take("aligned");
}

int take_number_of_matrices(Decoding & d) {
    const auto number = d.take_one_of({"x1", "x2", "x4"});
    if (!number) d.fail("it names no number of matrices");
    return number->back() - '0';
}

void emit_rows_of_matrices(Decoding & d, bool load) {
    need_aligned_sync(d);
    if (!d.take("m8n8")) d.fail("its shape is not known");
    const int matrices = take_number_of_matrices(d);
    const bool trans = d.take("trans");
    const bool shared = d.take("shared") || d.take("shared::cta");
    if (d.take_type() != Type::b16) d.fail("it is for b16");
    d.expect_count(2);
    const AddressRef ref = d.address(d.arg(load ? 1 : 0), Space::shared);
    const bool named = ref.symbol_space.has_value();
    d.push({ref.base.offset, ref.has_base ? static_cast<uint32_t>(ref.base.bytes) : 0,
            static_cast<uint32_t>(matrices),
            (trans ? transposes : 0) | (shared || named ? 0 : generic_address)});
    d.imm(static_cast<uint64_t>(ref.offset));
    push_vector(d, d.arg(load ? 0 : 1), matrices, load);
    d.emit(load ? load_matrix : store_matrix,
           load ? InstClass::matrix_load : InstClass::store_shared);
}

}  // namespace

void decode_mma(Decoding & d) {
    need_aligned_sync(d);
    if (d.take("m8n8k4")) return decode_quad_mma(d);
    const bool saturates = d.take("satfinite");
    const Form & form = take_form(d);
    if (saturates && form.d != Type::s32) d.fail("this form is not known");
    d.imm(saturates ? 1 : 0);
    d.expect_count(4);
    push_vector(d, d.arg(0), form.c_registers, true);
    push_vector(d, d.arg(1), form.a_registers, false);
    push_vector(d, d.arg(2), form.b_registers, false);
    push_vector(d, d.arg(3), form.c_registers, false);
    d.emit(form.handler, InstClass::mma);
}

void decode_ldmatrix(Decoding & d) { emit_rows_of_matrices(d, true); }
void decode_stmatrix(Decoding & d) { emit_rows_of_matrices(d, false); }

void decode_movmatrix(Decoding & d) {
    need_aligned_sync(d);
    if (!d.take("m8n8") || !d.take("trans")) d.fail("this form is not known");
    if (d.take_type() != Type::b16) d.fail("it is for b16");
    d.push_alike(1, 4);
    d.emit(move_matrix, InstClass::warp_exchange);
}

}  // namespace llamaproof::emulator
