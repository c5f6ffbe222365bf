// Attention over split K/V with a fixup, the way flash attention does it, small enough to read; and the same with one
// defect each. Compiled by the tests to PTX.
//
// Q [n_heads][D], K and V [n_kv][D] f16, mask [n_tokens][n_kv] f16, out [n_tokens][n_heads][D]. A block takes one
// token, one head and one of `splits` parts of the cache; combine() puts the parts together.
#include <cuda_fp16.h>

constexpr int D = 64;
constexpr int TILE = 32;  // cells of the cache at a time, one a lane

enum Defect {
    NONE = 0,
    TILE_OFFSET = 1,      // K's tile begins one cell late
    HEAD_BOUND = 2,       // heads beyond the last are computed too
    MISSING_BARRIER = 3,  // no __syncthreads between writing a tile and reading it
    MASK_ROW = 4,         // the mask of the token before
    NO_RESCALE = 5,       // the accumulator keeps its old maximum
    F16_OVERFLOW = 6,     // scores are summed in f16 without the scale
    SKIPPED_PART = 7,     // the fixup leaves the last part out
    PAST_THE_END = 8,     // the last tile is read whole, past the end of the cache
    FIVE_READS = 9,       // right, but K is read five times
};

template <int defect> __device__ void attend(const float * q, const half * k, const half * v, const half * mask, float * part,
                                             float2 * meta, int n_heads, int n_kv, int splits, float scale) {
    __shared__ half tile[TILE][D];
    __shared__ float weights[TILE];
    const int head = blockIdx.x, token = blockIdx.y, split = blockIdx.z;
    const int tid = threadIdx.x;  // D threads: one column of the result each
    if (defect != HEAD_BOUND && head >= n_heads) return;
    const float * my_q = q + (token * n_heads + head) * D;
    const half * my_mask = mask + (defect == MASK_ROW ? max(token - 1, 0) : token) * n_kv;
    const int per_split = (n_kv + splits - 1) / splits;
    const int begin = split * per_split, end = min(n_kv, begin + per_split);
    float maximum = -1e30f, sum = 0.0f, acc = 0.0f;
    for (int base = begin; base < end; base += TILE) {
        const int cells = defect == PAST_THE_END ? TILE : min(TILE, end - base);
        const int shift = defect == TILE_OFFSET && base + TILE < end ? 1 : 0;
        for (int repeat = 0; repeat < (defect == FIVE_READS ? 5 : 1); ++repeat) {
            for (int i = 0; i < cells; ++i) {
                // volatile: the compiler may not merge the repeated reads.
                const auto * bits = reinterpret_cast<const volatile unsigned short *>(k);
                tile[i][tid] = __ushort_as_half(bits[(base + i + shift) * D + tid]);
            }
        }
        if (defect != MISSING_BARRIER) __syncthreads();
        if (tid < TILE) {
            float score = 0.0f;
            if (defect == F16_OVERFLOW) {
                half h = 0.0f;
                for (int c = 0; c < D; ++c) h = __hadd(h, __hmul(__float2half(20000.0f * my_q[c]), tile[tid][c]));
                score = __half2float(h) * scale / 20000.0f;
            } else {
                for (int c = 0; c < D; ++c) score += my_q[c] * __half2float(tile[tid][c]);
                score *= scale;
            }
            weights[tid] = tid < cells ? score + __half2float(my_mask[base + tid]) : -1e30f;
        }
        __syncthreads();
        float next = maximum;
        for (int i = 0; i < TILE; ++i) next = fmaxf(next, weights[i]);
        const float rescale = defect == NO_RESCALE ? 1.0f : expf(maximum - next);
        sum *= rescale;
        acc *= rescale;
        for (int i = 0; i < cells; ++i) {
            const float w = expf(weights[i] - next);
            sum += w;
            acc += w * __half2float(v[(base + i) * D + tid]);
        }
        maximum = next;
        __syncthreads();
    }
    const int row = (split * gridDim.y + token) * n_heads + head;
    part[row * D + tid] = acc;
    if (tid == 0) meta[row] = make_float2(maximum, sum);
}

template <int defect> __device__ void combine_parts(const float * part, const float2 * meta, float * out, int n_heads, int splits) {
    const int head = blockIdx.x, token = blockIdx.y, tid = threadIdx.x;
    const int parts = defect == SKIPPED_PART ? splits - 1 : splits;
    float maximum = -1e30f;
    for (int s = 0; s < parts; ++s) maximum = fmaxf(maximum, meta[(s * gridDim.y + token) * n_heads + head].x);
    float sum = 0.0f, acc = 0.0f;
    for (int s = 0; s < parts; ++s) {
        const int row = (s * gridDim.y + token) * n_heads + head;
        const float w = expf(meta[row].x - maximum);
        sum += w * meta[row].y;
        acc += w * part[row * D + tid];
    }
    out[(token * n_heads + head) * D + tid] = acc / sum;
}

#define KERNELS(defect)                                                                                                            \
    extern "C" __global__ void attention_##defect(const float * q, const half * k, const half * v, const half * mask, float * part, \
                                                  float2 * meta, int n_heads, int n_kv, int splits, float scale) {                 \
        attend<defect>(q, k, v, mask, part, meta, n_heads, n_kv, splits, scale);                                                   \
    }                                                                                                                              \
    extern "C" __global__ void combine_##defect(const float * part, const float2 * meta, float * out, int n_heads, int splits) {   \
        combine_parts<defect>(part, meta, out, n_heads, splits);                                                                   \
    }

KERNELS(NONE)
KERNELS(TILE_OFFSET)
KERNELS(HEAD_BOUND)
KERNELS(MISSING_BARRIER)
KERNELS(MASK_ROW)
KERNELS(NO_RESCALE)
KERNELS(F16_OVERFLOW)
KERNELS(SKIPPED_PART)
KERNELS(PAST_THE_END)
KERNELS(FIVE_READS)
