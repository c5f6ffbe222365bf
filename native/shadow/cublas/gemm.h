// Matrix products as plain loops, for the mode that executes.
#pragma once

#include <cstdint>
#include <functional>

#include "cublas/cublas_abi.h"

namespace shadow {

// A matrix in device memory, column by column.
struct Matrix {
    const void * data = nullptr;
    cudaDataType type = CUDA_R_32F;
    std::int64_t ld = 0;
};

struct Gemm {
    bool transpose_a = false;
    bool transpose_b = false;
    std::int64_t m = 0;
    std::int64_t n = 0;
    std::int64_t k = 0;
    float alpha = 1.0F;
    float beta = 0.0F;
    Matrix a;
    Matrix b;
    Matrix c;
};

// Told what is read (before) and written (after), as address and bytes.
using Touch = std::function<void(bool writes, const void * address, std::uint64_t bytes)>;

bool known_type(cudaDataType type);
float scalar(const void * value, cublasComputeType_t compute);

// C = alpha op(A) op(B) + beta C. Each element is summed in f32 in the order of k and rounded once,
// to C's type. cuBLAS sums in another order, and where the compute type is f16 it may round on the
// way; this is the more exact of the two.
void multiply(const Gemm & gemm, const Touch & touch);

struct TriangularSolve {
    bool left = true;
    bool lower = true;
    bool transpose = false;
    bool unit_diagonal = false;
    std::int64_t m = 0;
    std::int64_t n = 0;
    float alpha = 1.0F;
    const float * a = nullptr;
    std::int64_t lda = 0;
    float * b = nullptr;
    std::int64_t ldb = 0;
};

// B = alpha inv(op(A)) B, or alpha B inv(op(A)) from the right; by substitution, in f32.
void solve(const TriangularSolve & system, const Touch & touch);

}  // namespace shadow
