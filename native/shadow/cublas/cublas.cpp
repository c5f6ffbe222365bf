// libcublas as the shadow runtime plays it: every product is recorded with its shape, and carried
// out as plain loops in the mode that executes.
//
// The real library also takes a workspace of device memory for each handle, of a size that depends
// on the card and the release; none is charged here.

#include "cublas/cublas_abi.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "core/runtime.h"
#include "cublas/gemm.h"

using shadow::Gemm;
using shadow::LibraryCall;
using shadow::Matrix;
using shadow::Runtime;
using shadow::Status;

struct cublasContext {
    cudaStream_t stream = nullptr;
};

namespace {

Runtime & runtime() { return Runtime::get(); }

// Handles that are in use: a call with another one is refused, as the real library does.
class Handles {
public:
    cublasContext * add() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return *contexts_.insert(new cublasContext).first;
    }
    bool remove(cublasContext * context) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (contexts_.erase(context) == 0) {
            return false;
        }
        delete context;
        return true;
    }
    bool has(cublasContext * context) {
        const std::lock_guard<std::mutex> lock(mutex_);
        return contexts_.count(context) > 0;
    }

private:
    std::mutex mutex_;
    std::set<cublasContext *> contexts_;
};

Handles & handles() {
    static Handles * const all = new Handles;
    return *all;
}

// Where the matrices of a batch are: each in its own place, or a stride apart.
struct Batch {
    std::int64_t count = 1;
    const void * const * pointers[3] = {nullptr, nullptr, nullptr};  // in device memory
    std::int64_t stride[3] = {0, 0, 0};                              // in elements
};

std::int64_t bytes_of(cudaDataType type) { return type == CUDA_R_32F ? 4 : 2; }

const void * part(const Batch & batch, int which, const Matrix & matrix, std::int64_t index) {
    if (batch.pointers[which] != nullptr) {
        return batch.pointers[which][index];
    }
    return static_cast<const char *>(matrix.data) +
           index * batch.stride[which] * bytes_of(matrix.type);
}

shadow::Touch touching(const char * call) {
    return [call](bool writes, const void * address, std::uint64_t bytes) {
        runtime().library_touches(writes, address, bytes, call);
    };
}

bool known_compute(cublasComputeType_t type) {
    switch (type) {
        case CUBLAS_COMPUTE_16F:
        case CUBLAS_COMPUTE_16F_PEDANTIC:
        case CUBLAS_COMPUTE_32F:
        case CUBLAS_COMPUTE_32F_PEDANTIC:
        case CUBLAS_COMPUTE_32F_FAST_16F:
        case CUBLAS_COMPUTE_32F_FAST_16BF:
        case CUBLAS_COMPUTE_32F_FAST_TF32: return true;
        default: return false;
    }
}

cublasStatus_t status_of(Status status) {
    return status == Status::success ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

cublasStatus_t run(const char * call, cublasHandle_t handle, const Gemm & gemm, const Batch & batch,
                   cublasComputeType_t compute) {
    if (!handles().has(handle)) {
        return CUBLAS_STATUS_NOT_INITIALIZED;
    }
    const std::int64_t rows_a = gemm.transpose_a ? gemm.k : gemm.m;
    const std::int64_t rows_b = gemm.transpose_b ? gemm.n : gemm.k;
    if (gemm.m < 0 || gemm.n < 0 || gemm.k < 0 || batch.count < 0 ||
        gemm.a.ld < std::max<std::int64_t>(1, rows_a) ||
        gemm.b.ld < std::max<std::int64_t>(1, rows_b) ||
        gemm.c.ld < std::max<std::int64_t>(1, gemm.m)) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    if (!shadow::known_type(gemm.a.type) || !shadow::known_type(gemm.b.type) ||
        !shadow::known_type(gemm.c.type) || !known_compute(compute)) {
        shadow::fatal(std::string(call) + " with data types " + std::to_string(gemm.a.type) + ", " +
                      std::to_string(gemm.b.type) + ", " + std::to_string(gemm.c.type) +
                      " and compute type " + std::to_string(compute) + " is not known");
    }
    LibraryCall figures;
    figures.name = call;
    figures.m = gemm.m;
    figures.n = gemm.n;
    figures.k = gemm.k;
    figures.batch = batch.count;
    figures.type_a = gemm.a.type;
    figures.type_b = gemm.b.type;
    figures.type_c = gemm.c.type;
    figures.compute = compute;
    figures.transpose_a = gemm.transpose_a ? 1 : 0;
    figures.transpose_b = gemm.transpose_b ? 1 : 0;
    figures.lda = gemm.a.ld;
    figures.ldb = gemm.b.ld;
    figures.ldc = gemm.c.ld;
    return status_of(runtime().library_call(figures, handle->stream, [gemm, batch, call] {
        for (std::int64_t i = 0; i < batch.count; ++i) {
            Gemm one = gemm;
            one.a.data = part(batch, 0, gemm.a, i);
            one.b.data = part(batch, 1, gemm.b, i);
            one.c.data = part(batch, 2, gemm.c, i);
            multiply(one, touching(call));
        }
    }));
}

Gemm gemm_of(cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k, float alpha,
             Matrix a, Matrix b, float beta, Matrix c) {
    // The matrices are real: a conjugate transpose is a transpose.
    return {transa != CUBLAS_OP_N, transb != CUBLAS_OP_N, m, n, k, alpha, beta, a, b, c};
}

}  // namespace

extern "C" {

const char * cublasGetStatusString(cublasStatus_t status) { return cublasGetStatusName(status); }

const char * cublasGetStatusName(cublasStatus_t status) {
    switch (status) {
        case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
        case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
        case CUBLAS_STATUS_ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
        case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
        case CUBLAS_STATUS_ARCH_MISMATCH: return "CUBLAS_STATUS_ARCH_MISMATCH";
        case CUBLAS_STATUS_MAPPING_ERROR: return "CUBLAS_STATUS_MAPPING_ERROR";
        case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
        case CUBLAS_STATUS_INTERNAL_ERROR: return "CUBLAS_STATUS_INTERNAL_ERROR";
        case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
        case CUBLAS_STATUS_LICENSE_ERROR: return "CUBLAS_STATUS_LICENSE_ERROR";
    }
    return "<unknown>";
}

cublasStatus_t cublasCreate_v2(cublasHandle_t * handle) {
    if (runtime().device_count() == 0) {
        return CUBLAS_STATUS_NOT_INITIALIZED;
    }
    *handle = handles().add();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
    return handles().remove(handle) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t streamId) {
    if (!handles().has(handle)) {
        return CUBLAS_STATUS_NOT_INITIALIZED;
    }
    handle->stream = streamId;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void *, size_t) {
    return handles().has(handle) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t) {
    return handles().has(handle) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t transa,
                              cublasOperation_t transb, int m, int n, int k, const float * alpha,
                              const float * A, int lda, const float * B, int ldb,
                              const float * beta, float * C, int ldc) {
    const Gemm gemm = gemm_of(transa, transb, m, n, k, *alpha, {A, CUDA_R_32F, lda},
                              {B, CUDA_R_32F, ldb}, *beta, {C, CUDA_R_32F, ldc});
    return run("cublasSgemm", handle, gemm, {}, CUBLAS_COMPUTE_32F);
}

cublasStatus_t cublasSgemmBatched(cublasHandle_t handle, cublasOperation_t transa,
                                  cublasOperation_t transb, int m, int n, int k,
                                  const float * alpha, const float * const Aarray[], int lda,
                                  const float * const Barray[], int ldb, const float * beta,
                                  float * const Carray[], int ldc, int batchCount) {
    return cublasGemmBatchedEx(handle, transa, transb, m, n, k, alpha,
                               reinterpret_cast<const void * const *>(Aarray), CUDA_R_32F, lda,
                               reinterpret_cast<const void * const *>(Barray), CUDA_R_32F, ldb,
                               beta, reinterpret_cast<void * const *>(Carray), CUDA_R_32F, ldc,
                               batchCount, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t transa,
                                         cublasOperation_t transb, int m, int n, int k,
                                         const float * alpha, const float * A, int lda,
                                         long long int strideA, const float * B, int ldb,
                                         long long int strideB, const float * beta, float * C,
                                         int ldc, long long int strideC, int batchCount) {
    return cublasGemmStridedBatchedEx(handle, transa, transb, m, n, k, alpha, A, CUDA_R_32F, lda,
                                      strideA, B, CUDA_R_32F, ldb, strideB, beta, C, CUDA_R_32F,
                                      ldc, strideC, batchCount, CUBLAS_COMPUTE_32F,
                                      CUBLAS_GEMM_DEFAULT);
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa,
                            cublasOperation_t transb, int m, int n, int k, const void * alpha,
                            const void * A, cudaDataType Atype, int lda, const void * B,
                            cudaDataType Btype, int ldb, const void * beta, void * C,
                            cudaDataType Ctype, int ldc, cublasComputeType_t computeType,
                            cublasGemmAlgo_t) {
    const Gemm gemm =
        gemm_of(transa, transb, m, n, k, shadow::scalar(alpha, computeType), {A, Atype, lda},
                {B, Btype, ldb}, shadow::scalar(beta, computeType), {C, Ctype, ldc});
    return run(__func__, handle, gemm, {}, computeType);
}

cublasStatus_t cublasGemmBatchedEx(cublasHandle_t handle, cublasOperation_t transa,
                                   cublasOperation_t transb, int m, int n, int k,
                                   const void * alpha, const void * const Aarray[],
                                   cudaDataType Atype, int lda, const void * const Barray[],
                                   cudaDataType Btype, int ldb, const void * beta,
                                   void * const Carray[], cudaDataType Ctype, int ldc,
                                   int batchCount, cublasComputeType_t computeType,
                                   cublasGemmAlgo_t) {
    const Gemm gemm =
        gemm_of(transa, transb, m, n, k, shadow::scalar(alpha, computeType), {nullptr, Atype, lda},
                {nullptr, Btype, ldb}, shadow::scalar(beta, computeType), {nullptr, Ctype, ldc});
    Batch batch;
    batch.count = batchCount;
    batch.pointers[0] = Aarray;
    batch.pointers[1] = Barray;
    batch.pointers[2] = Carray;
    return run(__func__, handle, gemm, batch, computeType);
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t transa,
                                          cublasOperation_t transb, int m, int n, int k,
                                          const void * alpha, const void * A, cudaDataType Atype,
                                          int lda, long long int strideA, const void * B,
                                          cudaDataType Btype, int ldb, long long int strideB,
                                          const void * beta, void * C, cudaDataType Ctype, int ldc,
                                          long long int strideC, int batchCount,
                                          cublasComputeType_t computeType, cublasGemmAlgo_t) {
    const Gemm gemm =
        gemm_of(transa, transb, m, n, k, shadow::scalar(alpha, computeType), {A, Atype, lda},
                {B, Btype, ldb}, shadow::scalar(beta, computeType), {C, Ctype, ldc});
    Batch batch;
    batch.count = batchCount;
    batch.stride[0] = strideA;
    batch.stride[1] = strideB;
    batch.stride[2] = strideC;
    return run(__func__, handle, gemm, batch, computeType);
}

cublasStatus_t cublasStrsmBatched(cublasHandle_t handle, cublasSideMode_t side,
                                  cublasFillMode_t uplo, cublasOperation_t trans,
                                  cublasDiagType_t diag, int m, int n, const float * alpha,
                                  const float * const A[], int lda, float * const B[], int ldb,
                                  int batchCount) {
    if (!handles().has(handle)) {
        return CUBLAS_STATUS_NOT_INITIALIZED;
    }
    shadow::TriangularSolve system;
    system.left = side == CUBLAS_SIDE_LEFT;
    system.lower = uplo == CUBLAS_FILL_MODE_LOWER;
    system.transpose = trans != CUBLAS_OP_N;
    system.unit_diagonal = diag == CUBLAS_DIAG_UNIT;
    system.m = m;
    system.n = n;
    system.alpha = *alpha;
    system.lda = lda;
    system.ldb = ldb;
    LibraryCall figures;
    figures.name = __func__;
    figures.m = m;
    figures.n = n;
    figures.batch = batchCount;
    figures.compute = CUBLAS_COMPUTE_32F;
    figures.lda = lda;
    figures.ldb = ldb;
    return status_of(runtime().library_call(figures, handle->stream, [system, A, B, batchCount] {
        for (int i = 0; i < batchCount; ++i) {
            shadow::TriangularSolve one = system;
            one.a = A[i];
            one.b = B[i];
            solve(one, touching("cublasStrsmBatched"));
        }
    }));
}

}  // extern "C"
