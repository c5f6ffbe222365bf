#include "cublas/gemm.h"

#include <vector>

#include "common/half.h"

namespace shadow {
namespace {

std::uint64_t element_bytes(cudaDataType type) { return type == CUDA_R_32F ? 4 : 2; }

float load(const void * data, cudaDataType type, std::int64_t index) {
    if (type == CUDA_R_32F) {
        return static_cast<const float *>(data)[index];
    }
    const std::uint16_t bits = static_cast<const std::uint16_t *>(data)[index];
    return type == CUDA_R_16F ? llamaproof::half_to_float(bits) : llamaproof::bfloat_to_float(bits);
}

void store(void * data, cudaDataType type, std::int64_t index, float value) {
    if (type == CUDA_R_32F) {
        static_cast<float *>(data)[index] = value;
        return;
    }
    static_cast<std::uint16_t *>(data)[index] =
        type == CUDA_R_16F ? llamaproof::float_to_half(value) : llamaproof::float_to_bfloat(value);
}

void touch_columns(const Touch & touch, bool writes, const Matrix & matrix, std::int64_t rows,
                   std::int64_t columns) {
    const std::uint64_t size = element_bytes(matrix.type);
    const auto * bytes = static_cast<const char *>(matrix.data);
    const auto column = static_cast<std::uint64_t>(rows) * size;
    const auto step = static_cast<std::uint64_t>(matrix.ld) * size;
    if (rows == matrix.ld) {
        touch(writes, bytes, column * static_cast<std::uint64_t>(columns));
        return;
    }
    for (std::int64_t j = 0; j < columns; ++j) {
        touch(writes, bytes + static_cast<std::uint64_t>(j) * step, column);
    }
}

}  // namespace

bool known_type(cudaDataType type) {
    return type == CUDA_R_32F || type == CUDA_R_16F || type == CUDA_R_16BF;
}

float scalar(const void * value, cublasComputeType_t compute) {
    if (compute == CUBLAS_COMPUTE_16F || compute == CUBLAS_COMPUTE_16F_PEDANTIC) {
        return load(value, CUDA_R_16F, 0);
    }
    return load(value, CUDA_R_32F, 0);
}

void multiply(const Gemm & gemm, const Touch & touch) {
    const auto & [transpose_a, transpose_b, m, n, k, alpha, beta, a, b, c] = gemm;
    if (m == 0 || n == 0) {
        return;
    }
    if (k > 0 && alpha != 0.0F) {
        touch_columns(touch, false, a, transpose_a ? k : m, transpose_a ? m : k);
        touch_columns(touch, false, b, transpose_b ? n : k, transpose_b ? k : n);
    }
    if (beta != 0.0F) {
        touch_columns(touch, false, c, m, n);
    }
    // op(A) with its columns together, so that the inner loop runs along them.
    std::vector<float> left(static_cast<std::size_t>(m * k));
    for (std::int64_t p = 0; p < k; ++p) {
        for (std::int64_t i = 0; i < m; ++i) {
            left[static_cast<std::size_t>(p * m + i)] =
                load(a.data, a.type, transpose_a ? i * a.ld + p : p * a.ld + i);
        }
    }
    std::vector<float> sums(static_cast<std::size_t>(m));
    for (std::int64_t j = 0; j < n; ++j) {
        sums.assign(sums.size(), 0.0F);
        for (std::int64_t p = 0; p < k; ++p) {
            const float right = load(b.data, b.type, transpose_b ? p * b.ld + j : j * b.ld + p);
            const float * column = left.data() + p * m;
            for (std::size_t i = 0; i < sums.size(); ++i) {
                sums[i] += column[i] * right;
            }
        }
        for (std::int64_t i = 0; i < m; ++i) {
            const std::int64_t index = j * c.ld + i;
            const float before = beta != 0.0F ? beta * load(c.data, c.type, index) : 0.0F;
            store(const_cast<void *>(c.data), c.type, index,
                  alpha * sums[static_cast<std::size_t>(i)] + before);
        }
    }
    touch_columns(touch, true, c, m, n);
}

void solve(const TriangularSolve & system, const Touch & touch) {
    const auto & [left, lower, transpose, unit_diagonal, m, n, alpha, a, lda, b, ldb] = system;
    const std::int64_t order = left ? m : n;
    const std::int64_t vectors = left ? n : m;
    const Matrix triangle{a, CUDA_R_32F, lda};
    const Matrix sides{b, CUDA_R_32F, ldb};
    touch_columns(touch, false, triangle, order, order);
    touch_columns(touch, false, sides, m, n);
    // From the right, X op(A) = B is op(A)^T X^T = B^T.
    const bool flip = left ? transpose : !transpose;
    const bool forward = lower != flip;
    const auto element = [&, lda = lda, a = a](std::int64_t row, std::int64_t column) {
        return flip ? a[row * lda + column] : a[column * lda + row];
    };
    const auto side = [&, b = b, ldb = ldb, left = left](std::int64_t row,
                                                         std::int64_t vector) -> float & {
        return left ? b[vector * ldb + row] : b[row * ldb + vector];
    };
    for (std::int64_t vector = 0; vector < vectors; ++vector) {
        for (std::int64_t step = 0; step < order; ++step) {
            const std::int64_t row = forward ? step : order - 1 - step;
            float value = alpha * side(row, vector);
            for (std::int64_t done = 0; done < step; ++done) {
                const std::int64_t column = forward ? done : order - 1 - done;
                value -= element(row, column) * side(column, vector);
            }
            side(row, vector) = unit_diagonal ? value : value / element(row, row);
        }
    }
    touch_columns(touch, true, sides, m, n);
}

}  // namespace shadow
