// A library as nvcc would make it: it registers a kernel when it is loaded, and launches it.
#include <cstddef>

struct Dim3 {
    unsigned x, y, z;
};
struct Config {
    Dim3 grid, block;
    std::size_t shared;
    void *stream, *attributes;
    unsigned n_attributes;
};

extern "C" {
void __cudaRegisterFunction(void **, const char *, char *, const char *, int, void *, void *,
                            void *, void *, int *);
int __cudaGetKernel(const void **, const void *);
int __cudaLaunchKernel(const void *, Dim3, Dim3, void **, std::size_t, void *);
int cudaLaunchKernel(const void *, Dim3, Dim3, void **, std::size_t, void *);
int cudaLaunchKernelExC(const Config *, const void *, void **);
int cudaLaunchCooperativeKernel(const void *, Dim3, Dim3, void **, std::size_t, void *);
int fake_launched(void);
}

namespace {
char host[8], unknown[8], name[] = "_Z6kernelILi16EEvPf";
const bool registered = [] {
    __cudaRegisterFunction(nullptr, host, name, name, -1, nullptr, nullptr, nullptr, nullptr,
                           nullptr);
    return true;
}();
}  // namespace

extern "C" {
int launch_as_cuda_12(unsigned threads) {
    return cudaLaunchKernel(host, {1, 2, 3}, {threads, 5, 6}, nullptr, 7, nullptr);
}
int launch_as_cuda_13(unsigned threads) {
    const void * kernel = nullptr;
    __cudaGetKernel(&kernel, host);
    return __cudaLaunchKernel(kernel, {1, 2, 3}, {threads, 5, 6}, nullptr, 7, nullptr);
}
int launch_extended(unsigned threads) {
    const Config config{{1, 2, 3}, {threads, 5, 6}, 7, nullptr, nullptr, 0};
    return cudaLaunchKernelExC(&config, host, nullptr);
}
int launch_cooperative(unsigned threads) {
    return cudaLaunchCooperativeKernel(host, {1, 2, 3}, {threads, 5, 6}, nullptr, 7, nullptr);
}
int launch_unregistered(unsigned threads) {
    return cudaLaunchKernel(unknown, {1, 2, 3}, {threads, 5, 6}, nullptr, 7, nullptr);
}
int launched(void) { return registered ? fake_launched() : -1; }
}
