// A CUDA runtime of a few functions, under the version node the real one has. Launches of more than
// 1024 threads a block are refused.
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

namespace {
int launched = 0;

int launch(const Dim3 & block) {
    if (block.x * block.y * block.z > 1024) {
        return 1;
    }
    ++launched;
    return 0;
}
}  // namespace

extern "C" {
void __cudaRegisterFunction(void **, const char *, char *, const char *, int, void *, void *,
                            void *, void *, int *) {}
int __cudaGetKernel(const void ** kernel, const void * host) {
    *kernel = static_cast<const char *>(host) + 1;  // another handle than the host's address
    return 0;
}
int cudaLaunchKernel(const void *, Dim3, Dim3 block, void **, std::size_t, void *) {
    return launch(block);
}
// Reaches the launch through another exported function, as a runtime may.
int __cudaLaunchKernel(const void * kernel, Dim3 grid, Dim3 block, void ** arguments,
                       std::size_t shared, void * stream) {
    return cudaLaunchKernel(kernel, grid, block, arguments, shared, stream);
}
int cudaLaunchKernelExC(const Config * config, const void *, void **) {
    return launch(config->block);
}
int cudaLaunchCooperativeKernel(const void *, Dim3, Dim3 block, void **, std::size_t, void *) {
    return launch(block);
}
int cudaDeviceGetAttribute(int * value, int attribute, int device) {
    *value = attribute == 75 ? 12 : 1;
    return device == 0 ? 0 : 101;
}
int fake_launched(void) { return launched; }
}
