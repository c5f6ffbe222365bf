// Launches as nvcc before 12.8 wrote them: by the address of the host function.

#include <cuda_runtime_api.h>

extern "C" cudaError_t __cudaGetKernel(cudaKernel_t * kernel, const void * function) {
    *kernel = static_cast<cudaKernel_t>(const_cast<void *>(function));
    return cudaSuccess;
}

extern "C" cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block,
                                          void ** arguments, size_t shared, cudaStream_t stream) {
    return cudaLaunchKernel(kernel, grid, block, arguments, shared, stream);
}
