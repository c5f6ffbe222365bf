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

// op(A) with its columns together, so that the inner loop runs along them.
std::vector<float> columns_of_a(const Gemm & gemm) {
    const Matrix & a = gemm.a;
    std::vector<float> columns(static_cast<std::size_t>(gemm.m * gemm.k));
    for (std::int64_t p = 0; p < gemm.k; ++p) {
        for (std::int64_t i = 0; i < gemm.m; ++i) {
            columns[static_cast<std::size_t>(p * gemm.m + i)] =
                load(a.data, a.type, gemm.transpose_a ? i * a.ld + p : p * a.ld + i);
        }
    }
    return columns;
}

void touch_what_is_read(const Gemm & gemm, const Touch & touch) {
    const auto & [transpose_a, transpose_b, m, n, k, alpha, beta, a, b, c] = gemm;
    if (k > 0 && alpha != 0.0F) {
        touch_columns(touch, false, a, transpose_a ? k : m, transpose_a ? m : k);
        touch_columns(touch, false, b, transpose_b ? n : k, transpose_b ? k : n);
    }
    if (beta != 0.0F) {
        touch_columns(touch, false, c, m, n);
    }
}

// Column j of op(A) op(B).
void sum_column(const Gemm & gemm, const std::vector<float> & left, std::int64_t j,
                std::vector<float> & sums) {
    const Matrix & b = gemm.b;
    sums.assign(sums.size(), 0.0F);
    for (std::int64_t p = 0; p < gemm.k; ++p) {
        const float right = load(b.data, b.type, gemm.transpose_b ? p * b.ld + j : j * b.ld + p);
        const float * column = left.data() + p * gemm.m;
        for (std::size_t i = 0; i < sums.size(); ++i) {
            sums[i] += column[i] * right;
        }
    }
}

// op(A) X = B. From the right, X op(A) = B is op(A)^T X^T = B^T.
class Triangle {
public:
    explicit Triangle(const TriangularSolve & system)
        : system_(system),
          flip_(system.left ? system.transpose : !system.transpose),
          forward_(system.lower != flip_) {}

    std::int64_t order() const { return system_.left ? system_.m : system_.n; }
    std::int64_t vectors() const { return system_.left ? system_.n : system_.m; }

    // One unknown, from those of the steps before it.
    void substitute(std::int64_t vector, std::int64_t step) const {
        const std::int64_t row = row_of(step);
        float value = system_.alpha * side(row, vector);
        for (std::int64_t done = 0; done < step; ++done) {
            value -= element(row, row_of(done)) * side(row_of(done), vector);
        }
        side(row, vector) = system_.unit_diagonal ? value : value / element(row, row);
    }

private:
    std::int64_t row_of(std::int64_t step) const { return forward_ ? step : order() - 1 - step; }
    float element(std::int64_t row, std::int64_t column) const {
        return flip_ ? system_.a[row * system_.lda + column]
                     : system_.a[column * system_.lda + row];
    }
    float & side(std::int64_t row, std::int64_t vector) const {
        return system_.left ? system_.b[vector * system_.ldb + row]
                            : system_.b[row * system_.ldb + vector];
    }

    const TriangularSolve & system_;
    const bool flip_;
    const bool forward_;
};

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
    const Matrix & c = gemm.c;
    const std::int64_t m = gemm.m, n = gemm.n;
    if (m == 0 || n == 0) {
        return;
    }
    touch_what_is_read(gemm, touch);
    const std::vector<float> left = columns_of_a(gemm);
    std::vector<float> sums(static_cast<std::size_t>(m));
    for (std::int64_t j = 0; j < n; ++j) {
        sum_column(gemm, left, j, sums);
        for (std::int64_t i = 0; i < m; ++i) {
            const std::int64_t index = j * c.ld + i;
            const float before = gemm.beta != 0.0F ? gemm.beta * load(c.data, c.type, index) : 0.0F;
            store(const_cast<void *>(c.data), c.type, index,
                  gemm.alpha * sums[static_cast<std::size_t>(i)] + before);
        }
    }
    touch_columns(touch, true, c, m, n);
}

void solve(const TriangularSolve & system, const Touch & touch) {
    const Triangle triangle(system);
    const Matrix coefficients{system.a, CUDA_R_32F, system.lda};
    const Matrix sides{system.b, CUDA_R_32F, system.ldb};
    touch_columns(touch, false, coefficients, triangle.order(), triangle.order());
    touch_columns(touch, false, sides, system.m, system.n);
    for (std::int64_t vector = 0; vector < triangle.vectors(); ++vector) {
        for (std::int64_t step = 0; step < triangle.order(); ++step) {
            triangle.substitute(vector, step);
        }
    }
    touch_columns(touch, true, sides, system.m, system.n);
}

}  // namespace shadow
