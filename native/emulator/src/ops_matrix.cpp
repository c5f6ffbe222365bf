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

// op: base row, base bytes, registers...; imm: offset. op[2] count, op[3] flags: 1 trans, 2 generic
// address.
void matrix_addresses(Warp & warp, const Inst & inst, Lanes64 & address, uint32_t mask) {
    for (int i = 0; i < lanes; ++i) {
        address.at[i] = inst.op[1] == 8 ? warp.row<uint64_t>(inst.op[0])[i] + inst.imm
                        : inst.op[1] == 4
                            ? static_cast<uint32_t>(warp.row<uint32_t>(inst.op[0])[i] +
                                                    static_cast<uint32_t>(inst.imm))
                            : inst.imm;
    }
    if ((inst.op[3] & 2) == 0) return;
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
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
        if (inst.op[3] & 1) {
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
        if (inst.op[3] & 1) {
            transpose(from, rows[m]);
        } else {
            std::memcpy(rows[m], from, sizeof rows[m]);
        }
    }
    const uint32_t good = access_shared(warp, inst, givers & mask, address, 16, SharedUse::write,
                                        reinterpret_cast<const uint8_t *>(rows));
    count_banks(warp, good, address, 16);
    for (uint32_t rest = good; rest != 0; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
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

// op: d registers, a, b, c. Half: d and c are f16 in two registers, else f32 in four.
template <class E, int K, bool Half> void mma_real(Warp & warp, const Inst & inst, uint32_t mask) {
    check_whole(warp, inst, mask);
    constexpr int p = E::per_register, chunk = 4 * p, a_registers = 2 * K / chunk,
                  b_registers = K / chunk, c_registers = Half ? 2 : 4;
    constexpr int a_at = c_registers, b_at = a_at + a_registers, c_at = b_at + b_registers;
    alignas(64) float a[16][K];
    alignas(64) float b[K][8];
    alignas(64) float c[16][8];
    alignas(64) float plain[8 * chunk];
    for (int r = 0; r < a_registers; ++r) {
        E::widen(plain, warp.row<uint32_t>(inst.op[a_at + r]));
        for (int g = 0; g < 8; ++g) {
            std::memcpy(&a[g + 8 * (r & 1)][chunk * (r >> 1)], plain + chunk * g,
                        sizeof(float) * chunk);
        }
    }
    for (int r = 0; r < b_registers; ++r) {
        E::widen(plain, warp.row<uint32_t>(inst.op[b_at + r]));
        if constexpr (chunk == 8) {
            transpose8(plain, 8, &b[chunk * r]);
        } else {
            for (int g = 0; g < 8; ++g) {
                for (int k = 0; k < chunk; ++k) b[chunk * r + k][g] = plain[chunk * g + k];
            }
        }
    }
    if constexpr (Half) {
        for (int r = 0; r < 2; ++r) {
            HalfRow::widen(c[8 * r], warp.row<uint16_t>(inst.op[c_at + r]), 64);
        }
    } else {
        for (int half = 0; half < 2; ++half) {
            const float * even = warp.row<float>(inst.op[c_at + 2 * half]);
            const float * odd = warp.row<float>(inst.op[c_at + 2 * half + 1]);
            float * to = c[8 * half];
            for (int i = 0; i < lanes; ++i) {
                to[2 * i] = even[i];
                to[2 * i + 1] = odd[i];
            }
        }
    }
    multiply<16, K>(a, b, c);
    count_mma(warp, inst, 16, a_registers, b_registers, a_at, b_at, uint64_t(16) * 8 * K,
              E::magnitude);
    if constexpr (Half) {
        for (int r = 0; r < 2; ++r) {
            alignas(64) uint16_t out[64];
            HalfRow::narrow(out, c[8 * r], 64);
            blend(warp.row<uint32_t>(inst.op[r]), reinterpret_cast<const uint32_t *>(out), mask);
        }
    } else {
        for (int half = 0; half < 2; ++half) {
            alignas(64) float even[lanes], odd[lanes];
            const float * from = c[8 * half];
            for (int i = 0; i < lanes; ++i) {
                even[i] = canonical(from[2 * i]);
                odd[i] = canonical(from[2 * i + 1]);
            }
            blend(warp.row<float>(inst.op[2 * half]), even, mask);
            blend(warp.row<float>(inst.op[2 * half + 1]), odd, mask);
        }
    }
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
    alignas(64) int64_t wide[Rows][8];
    for (int r = 0; r < a_registers; ++r) {
        const A * from = warp.row<A>(inst.op[a_at + r]);
        for (int g = 0; g < 8; ++g) {
            for (int k = 0; k < chunk; ++k) {
                a[g + 8 * (r % halves)][chunk * (r / halves) + k] = from[chunk * g + k];
            }
        }
    }
    for (int r = 0; r < b_registers; ++r) {
        const B * from = warp.row<B>(inst.op[b_at + r]);
        for (int g = 0; g < 8; ++g) {
            for (int k = 0; k < chunk; ++k) b[chunk * r + k][g] = from[chunk * g + k];
        }
    }
    for (int i = 0; i < Rows; ++i) {
        int32_t sum[8] = {};
        for (int k = 0; k < K; ++k) {
            for (int j = 0; j < 8; ++j) sum[j] += a[i][k] * b[k][j];
        }
        for (int j = 0; j < 8; ++j) wide[i][j] = sum[j];
    }
    count_mma(warp, inst, Rows, a_registers, b_registers, a_at, b_at, uint64_t(Rows) * 8 * K,
              0xffffffffu);
    alignas(64) int32_t out[c_registers][lanes];
    for (int r = 0; r < c_registers; ++r) {
        const int32_t * c = warp.row<int32_t>(inst.op[c_at + r]);
        for (int i = 0; i < lanes; ++i) {
            const int64_t sum = wide[(i >> 2) + 8 * (r >> 1)][2 * (i & 3) + (r & 1)] + c[i];
            out[r][i] = static_cast<int32_t>(
                inst.imm & 1 ? std::min<int64_t>(std::max<int64_t>(sum, INT32_MIN), INT32_MAX)
                             : sum);
        }
    }
    for (int r = 0; r < c_registers; ++r) blend(warp.row<int32_t>(inst.op[r]), out[r], mask);
}

template <int Rows, int K> Handler integer_of(Type a, Type b) {
    if (a == Type::s8) {
        return b == Type::s8 ? Handler(mma_integer<int8_t, int8_t, Rows, K>)
                             : Handler(mma_integer<int8_t, uint8_t, Rows, K>);
    }
    return b == Type::s8 ? Handler(mma_integer<uint8_t, int8_t, Rows, K>)
                         : Handler(mma_integer<uint8_t, uint8_t, Rows, K>);
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

// The last four types among an opcode's modifiers, in order: d, a, b, c.
std::array<Type, 4> four_types(Decoding & d) {
    std::array<Type, 4> types{};
    for (Type & type : types) {
        // take_type() takes the first that is left, so the order is kept.
        type = d.take_type();
    }
    return types;
}

bool decode_mma(Decoding & d) {
    if (!d.take("sync")) d.fail("this form is not known");
    d.take("aligned");
    if (d.take("m8n8k4")) {
        decode_quad_mma(d);
        return true;
    }
    const auto shape = d.take_one_of({"m16n8k4", "m16n8k8", "m16n8k16", "m16n8k32", "m8n8k16"});
    if (!shape) d.fail("its shape is not known");
    if (d.take_earliest_of({"row", "col"}) != "row" || !d.take("col")) {
        d.fail("its layout is not row.col");
    }
    const bool saturates = d.take("satfinite");
    const auto [td, ta, tb, tc] = four_types(d);
    if (td != tc) d.fail("its accumulators have two types");
    d.expect_count(4);
    const std::string_view s = *shape;
    const int k = s == "m16n8k4" ? 4 : s == "m16n8k8" ? 8 : s == "m16n8k32" ? 32 : 16;
    Handler handler = nullptr;
    int a_registers = 0, b_registers = 0, c_registers = 4;
    if (td == Type::s32) {
        const bool bytes = (ta == Type::s8 || ta == Type::u8) && (tb == Type::s8 || tb == Type::u8);
        if (!bytes) d.fail("its element type is not known");
        if (s == "m16n8k32") handler = integer_of<16, 32>(ta, tb);
        if (s == "m16n8k16") handler = integer_of<16, 16>(ta, tb);
        if (s == "m8n8k16") handler = integer_of<8, 16>(ta, tb);
        const int halves = s == "m8n8k16" ? 1 : 2;
        a_registers = halves * k / 16;
        b_registers = k / 16;
        c_registers = 2 * halves;
        d.imm(saturates ? 1 : 0);
    } else {
        if (saturates || ta != tb || s == "m8n8k16") d.fail("this form is not known");
        const bool half = td == Type::f16;
        if (!half && td != Type::f32) d.fail("its accumulator type is not known");
        c_registers = half ? 2 : 4;
        if (ta == Type::f16) {
            if (k == 16) {
                handler = half ? Handler(mma_real<HalfElement, 16, true>)
                               : Handler(mma_real<HalfElement, 16, false>);
            }
            if (k == 8) {
                handler = half ? Handler(mma_real<HalfElement, 8, true>)
                               : Handler(mma_real<HalfElement, 8, false>);
            }
            a_registers = k / 4;
            b_registers = k / 8;
        } else if (ta == Type::bf16 && !half) {
            if (k == 16) handler = mma_real<BfloatElement, 16, false>;
            if (k == 8) handler = mma_real<BfloatElement, 8, false>;
            a_registers = k / 4;
            b_registers = k / 8;
        } else if (ta == Type::tf32 && !half) {
            if (k == 8) handler = mma_real<Tf32Element, 8, false>;
            if (k == 4) handler = mma_real<Tf32Element, 4, false>;
            a_registers = k / 2;
            b_registers = k / 4;
        }
    }
    if (handler == nullptr) d.fail("this form is not known");
    push_vector(d, d.arg(0), c_registers, true);
    push_vector(d, d.arg(1), a_registers, false);
    push_vector(d, d.arg(2), b_registers, false);
    push_vector(d, d.arg(3), c_registers, false);
    d.emit(handler, InstClass::mma);
    return true;
}

bool decode_ldmatrix(Decoding & d, bool load) {
    if (!d.take("sync")) d.fail("this form is not known");
    d.take("aligned");
    if (!d.take("m8n8")) d.fail("its shape is not known");
    const int matrices = d.take("x4") ? 4 : d.take("x2") ? 2 : d.take("x1") ? 1 : 0;
    if (matrices == 0) d.fail("it names no number of matrices");
    const bool trans = d.take("trans");
    const bool shared = d.take("shared") || d.take("shared::cta");
    if (d.take_type() != Type::b16) d.fail("it is for b16");
    d.expect_count(2);
    const AddressRef ref = d.address(d.arg(load ? 1 : 0), Space::shared);
    const bool named = ref.symbol_space.has_value();
    d.push({ref.base.offset, ref.has_base ? static_cast<uint32_t>(ref.base.bytes) : 0,
            static_cast<uint32_t>(matrices), (trans ? 1u : 0u) | (shared || named ? 0u : 2u)});
    d.imm(static_cast<uint64_t>(ref.offset));
    push_vector(d, d.arg(load ? 0 : 1), matrices, load);
    d.emit(load ? load_matrix : store_matrix,
           load ? InstClass::matrix_load : InstClass::store_shared);
    return true;
}

}  // namespace

bool decode_matrix(Decoding & d) {
    const std::string_view root = d.root();
    if (root == "mma") return decode_mma(d);
    if (root == "ldmatrix") return decode_ldmatrix(d, true);
    if (root == "stmatrix") return decode_ldmatrix(d, false);
    if (root == "movmatrix") {
        if (!d.take("sync")) d.fail("this form is not known");
        d.take("aligned");
        if (!d.take("m8n8") || !d.take("trans")) d.fail("this form is not known");
        if (d.take_type() != Type::b16) d.fail("it is for b16");
        d.expect_count(2);
        d.push({d.destination(0, 4), d.row(1, 4)});
        d.emit(move_matrix, InstClass::warp_exchange);
        return true;
    }
    return false;
}

}  // namespace llamaproof::emulator
