// What a CUDA runtime answers, line by line: run on a real card and on the shadow runtime, the
// output has to be the same. Lines name the call and what came of it.

#include <cuda.h>
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

__global__ void plain(float* x) { x[threadIdx.x] = 1.0f; }
__global__ void __launch_bounds__(128) bounded(float* x) { x[threadIdx.x] = 1.0f; }
__global__ void dynamic(float* x) {
    extern __shared__ float s[];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = s[threadIdx.x ^ 1];
}
__global__ void fixed(float* x) {
    __shared__ float s[2048];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = s[threadIdx.x ^ 1];
}
__global__ void __launch_bounds__(1024) local(float* x, int n) {
    float l[64];
    for (int i = 0; i < 64; ++i) {
        l[(i * n) & 63] = x[i];
    }
    x[threadIdx.x] = l[n & 63];
}
__global__ void wide(float* x) {
    float v[160];
#pragma unroll
    for (int i = 0; i < 160; ++i) {
        v[i] = x[i * 1024 + threadIdx.x];
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 160; ++i) {
        x[i * 1024 + threadIdx.x] = v[159 - i] * v[i];
    }
}
__constant__ float table[16];
__global__ void constant(float* x) { x[threadIdx.x] = table[threadIdx.x & 15]; }

extern __global__ void elsewhere(float* x);  // other.cu: machine code for another sm alone
const void* elsewhere_address();

static void say(const char* what, cudaError_t error) {
    std::printf("%s: %s\n", what, cudaGetErrorName(error));
}
static void say(const char* what, CUresult result) { std::printf("%s: %d\n", what, (int)result); }

// A launch's own error is its last error.
#define LAUNCH(what, ...)            \
    do {                             \
        __VA_ARGS__;                 \
        say(what, cudaGetLastError()); \
    } while (0)
#define CALL(expression)          \
    do {                          \
        say(#expression, expression); \
        cudaGetLastError();       \
    } while (0)
#define RESULT(expression) say(#expression, expression)

static void device() {
    char name[256] = "";
    cuInit(0);
    cuDeviceGetName(name, sizeof name, 0);
    std::printf("name %s\n", name);
#define ATTRIBUTE(which)                                    \
    do {                                                    \
        int value = -1;                                     \
        cudaDeviceGetAttribute(&value, cudaDevAttr##which, 0); \
        std::printf(#which " %d\n", value);                 \
    } while (0)
    ATTRIBUTE(ComputeCapabilityMajor);
    ATTRIBUTE(ComputeCapabilityMinor);
    ATTRIBUTE(MultiProcessorCount);
    ATTRIBUTE(WarpSize);
    ATTRIBUTE(MaxThreadsPerBlock);
    ATTRIBUTE(MaxThreadsPerMultiProcessor);
    ATTRIBUTE(MaxBlocksPerMultiprocessor);
    ATTRIBUTE(MaxBlockDimX);
    ATTRIBUTE(MaxBlockDimY);
    ATTRIBUTE(MaxBlockDimZ);
    ATTRIBUTE(MaxGridDimX);
    ATTRIBUTE(MaxGridDimY);
    ATTRIBUTE(MaxGridDimZ);
    ATTRIBUTE(MaxSharedMemoryPerBlock);
    ATTRIBUTE(MaxSharedMemoryPerBlockOptin);
    ATTRIBUTE(MaxSharedMemoryPerMultiprocessor);
    ATTRIBUTE(ReservedSharedMemoryPerBlock);
    ATTRIBUTE(MaxRegistersPerBlock);
    ATTRIBUTE(MaxRegistersPerMultiprocessor);
    ATTRIBUTE(TotalConstantMemory);
    ATTRIBUTE(L2CacheSize);
    ATTRIBUTE(ClockRate);
    ATTRIBUTE(MemoryClockRate);
    ATTRIBUTE(GlobalMemoryBusWidth);
    ATTRIBUTE(Integrated);
    ATTRIBUTE(CooperativeLaunch);
    ATTRIBUTE(UnifiedAddressing);
    ATTRIBUTE(ManagedMemory);
    ATTRIBUTE(ConcurrentManagedAccess);
    ATTRIBUTE(CanMapHostMemory);
    ATTRIBUTE(HostRegisterSupported);
    ATTRIBUTE(CanUseHostPointerForRegisteredMem);
    ATTRIBUTE(ComputePreemptionSupported);
    ATTRIBUTE(ConcurrentKernels);
    size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    std::printf("total memory %zu\n", total);
    CALL(cudaSetDevice(7));
    int value = 0;
    CALL(cudaDeviceGetAttribute(&value, cudaDevAttrWarpSize, 7));
}

static void attributes(const char* name, const void* function) {
    cudaFuncAttributes a;
    const cudaError_t error = cudaFuncGetAttributes(&a, function);
    std::printf("attributes of %s: %s", name, cudaGetErrorName(error));
    cudaGetLastError();
    if (error == cudaSuccess) {
        std::printf(" shared %zu constant %zu local %zu threads %d registers %d ptx %d binary %d "
                    "dynamic %d carveout %d",
                    a.sharedSizeBytes, a.constSizeBytes, a.localSizeBytes, a.maxThreadsPerBlock,
                    a.numRegs, a.ptxVersion, a.binaryVersion, a.maxDynamicSharedSizeBytes,
                    a.preferredShmemCarveout);
    }
    std::printf("\n");
    for (const int block : {32, 96, 128, 256, 1024}) {
        for (const size_t shared : {size_t(0), size_t(20000), size_t(49152), size_t(100000)}) {
            int blocks = -1;
            const cudaError_t outcome =
                cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, block, shared);
            std::printf("occupancy of %s %d %zu: %s %d\n", name, block, shared,
                        cudaGetErrorName(outcome), outcome == cudaSuccess ? blocks : -1);
            cudaGetLastError();
        }
    }
}

static void functions() {
    attributes("plain", (const void*)plain);
    attributes("bounded", (const void*)bounded);
    attributes("dynamic", (const void*)dynamic);
    attributes("fixed", (const void*)fixed);
    attributes("local", (const void*)local);
    attributes("wide", (const void*)wide);
    attributes("constant", (const void*)constant);
    attributes("elsewhere", elsewhere_address());
    static int nothing = 0;
    attributes("nothing", &nothing);
    const auto most = cudaFuncAttributeMaxDynamicSharedMemorySize;
    int optin = 0;
    cudaDeviceGetAttribute(&optin, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0);
    CALL(cudaFuncSetAttribute((const void*)dynamic, most, optin + 1));
    CALL(cudaFuncSetAttribute((const void*)dynamic, most, -1));
    CALL(cudaFuncSetAttribute((const void*)fixed, most, optin));
    CALL(cudaFuncSetAttribute((const void*)fixed, most, optin - 8192));
    CALL(cudaFuncSetAttribute(&nothing, most, 1024));
    CALL(cudaFuncSetAttribute(elsewhere_address(), most, 1024));
    const auto carveout = cudaFuncAttributePreferredSharedMemoryCarveout;
    CALL(cudaFuncSetAttribute((const void*)dynamic, carveout, 101));
    CALL(cudaFuncSetAttribute((const void*)dynamic, carveout, 50));
    attributes("fixed again", (const void*)fixed);
    attributes("dynamic with carveout 50", (const void*)dynamic);
    cudaFuncSetAttribute((const void*)dynamic, carveout, 0);
    attributes("dynamic with carveout 0", (const void*)dynamic);
    cudaFuncSetAttribute((const void*)dynamic, carveout, -1);
}

static void launches() {
    float* x = nullptr;
    cudaMalloc(&x, 4 << 20);
    LAUNCH("plain", (plain<<<1, 32>>>(x)));
    LAUNCH("block of 0", (plain<<<1, 0>>>(x)));
    LAUNCH("grid of 0", (plain<<<0, 32>>>(x)));
    LAUNCH("block of 1025", (plain<<<1, 1025>>>(x)));
    LAUNCH("block z of 65", (plain<<<1, dim3(1, 1, 65)>>>(x)));
    LAUNCH("block of 64x32", (plain<<<1, dim3(64, 32)>>>(x)));
    LAUNCH("grid y of 65536", (plain<<<dim3(1, 65536), 1>>>(x)));
    LAUNCH("grid z of 65536", (plain<<<dim3(1, 1, 65536), 1>>>(x)));
    LAUNCH("beyond launch bounds", (bounded<<<1, 256>>>(x)));
    LAUNCH("beyond registers", (wide<<<1, 1024>>>(x)));
    LAUNCH("49152 dynamic", (dynamic<<<1, 32, 49152>>>(x)));
    LAUNCH("49153 dynamic", (dynamic<<<1, 32, 49153>>>(x)));
    LAUNCH("8192 static, 40960 dynamic", (fixed<<<1, 32, 40960>>>(x)));
    cudaFuncSetAttribute((const void*)dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize, 65536);
    LAUNCH("65536 of 65536 dynamic", (dynamic<<<1, 32, 65536>>>(x)));
    LAUNCH("65537 of 65536 dynamic", (dynamic<<<1, 32, 65537>>>(x)));
    cudaFuncSetAttribute((const void*)dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize, 1024);
    LAUNCH("2048 of 1024 dynamic", (dynamic<<<1, 32, 2048>>>(x)));
    LAUNCH("bad block and bad shared", (dynamic<<<1, 2000, 1 << 20>>>(x)));
    LAUNCH("code for another sm", (cudaLaunchKernel(elsewhere_address(), 1, 32, nullptr, 0, 0)));
    static int nothing = 0;
    LAUNCH("no function", (cudaLaunchKernel(&nothing, 1, 32, nullptr, 0, 0)));
    void* arguments[] = {&x};
    CALL(cudaLaunchCooperativeKernel((const void*)plain, 132, 1024, arguments, 0, 0));
    CALL(cudaLaunchCooperativeKernel((const void*)plain, 100000, 1024, arguments, 0, 0));

    plain<<<1, 2000>>>(x);
    say("a failed launch, peeked at", cudaPeekAtLastError());
    RESULT(cudaDeviceSynchronize());
    say("after another call", cudaPeekAtLastError());
    say("taken", cudaGetLastError());
    say("taken again", cudaGetLastError());
    void* huge = nullptr;
    RESULT(cudaMalloc(&huge, size_t(1) << 50));
    say("after a refused allocation", cudaGetLastError());
    std::printf("pointer after a refused allocation: %d\n", huge != nullptr);
    RESULT(cudaFree(x));
}

static size_t charged(size_t bytes) {
    size_t before = 0, after = 0, total = 0;
    void* p = nullptr;
    cudaMemGetInfo(&before, &total);
    cudaMalloc(&p, bytes);
    cudaMemGetInfo(&after, &total);
    cudaFree(p);
    return before - after;
}

static void memory() {
    void* p = &p;
    CALL(cudaMalloc(&p, 0));
    std::printf("pointer of nothing: %d\n", p != nullptr);
    CALL(cudaMalloc(nullptr, 16));
    CALL(cudaFree(nullptr));
    char* d = nullptr;
    char* e = nullptr;
    cudaMalloc(&d, 8 << 20);
    cudaMalloc(&e, 8 << 20);
    std::printf("alignment %d\n", (int)((size_t)d % 512));
    std::vector<char> host(16 << 20);
    char* h = host.data();
    CALL(cudaFree(d + 256));
    CALL(cudaFree(h));
    CALL(cudaMemcpy(d, h, 8 << 20, cudaMemcpyHostToDevice));
    CALL(cudaMemcpy(h, d, 8 << 20, cudaMemcpyHostToDevice));
    CALL(cudaMemcpy(d, h, 8 << 20, cudaMemcpyDeviceToHost));
    CALL(cudaMemcpy(d, h, 8 << 20, cudaMemcpyDeviceToDevice));
    CALL(cudaMemcpy(h, h + 64, 64, cudaMemcpyHostToHost));
    CALL(cudaMemcpy(h, h + 64, 64, cudaMemcpyDeviceToHost));
    CALL(cudaMemcpy(h, h + 64, 64, cudaMemcpyDefault));
    CALL(cudaMemcpy(e, d, 64, cudaMemcpyHostToHost));
    CALL(cudaMemcpy(d, h, 64, (cudaMemcpyKind)9));
    CALL(cudaMemcpy(d, nullptr, 64, cudaMemcpyHostToDevice));
    CALL(cudaMemcpy(nullptr, h, 64, cudaMemcpyHostToDevice));
    CALL(cudaMemcpy(d, h, 0, cudaMemcpyHostToDevice));
    CALL(cudaMemcpyAsync(e, d, 4096, cudaMemcpyDeviceToDevice, 0));
    CALL(cudaMemcpy2D(d, 64, h, 128, 65, 4, cudaMemcpyHostToDevice));
    CALL(cudaMemcpy2D(d, 64, h, 128, 64, 4, cudaMemcpyHostToDevice));
    CALL(cudaMemcpy2D(d, 128, h, 64, 65, 4, cudaMemcpyHostToDevice));
    CALL(cudaMemcpy2D(d, 64, h, 128, 64, 1 << 20, cudaMemcpyHostToDevice));
    CALL(cudaMemcpy(d, h, (8 << 20) + 1, cudaMemcpyHostToDevice));
    CALL(cudaMemset(d, 0, (8 << 20) + 1));
    CALL(cudaMemset(d, 0, 8 << 20));
    CALL(cudaMemset(h, 0, 64));
    CALL(cudaMemset(nullptr, 0, 64));
    char* pinned = nullptr;
    CALL(cudaMallocHost(&pinned, 1 << 20));
    CALL(cudaMemset(pinned, 3, 1 << 20));
    cudaDeviceSynchronize();
    std::printf("pinned byte %d\n", pinned[77]);
    CALL(cudaFree(pinned));
    CALL(cudaFreeHost(d));
    CALL(cudaFreeHost(nullptr));
    void* seen = nullptr;
    CALL(cudaHostGetDevicePointer(&seen, pinned, 0));
    CALL(cudaHostGetDevicePointer(&seen, h, 0));
    CALL(cudaMemcpy(pinned, h, 64, cudaMemcpyHostToDevice));
    CALL(cudaMemcpy(h, pinned, 64, cudaMemcpyDeviceToHost));
    CALL(cudaHostRegister(h, 1 << 20, 0));
    CALL(cudaHostRegister(h, 1 << 20, 0));
    CALL(cudaHostRegister(h + 4096, 1 << 20, 0));
    CALL(cudaHostUnregister(h));
    CALL(cudaHostUnregister(h));
    CALL(cudaHostUnregister(pinned));
    char* managed = nullptr;
    CALL(cudaMallocManaged(&managed, 0));
    std::printf("managed pointer of nothing: %d\n", managed != nullptr);
    CALL(cudaMallocManaged(&managed, 1 << 20, 77));
    CALL(cudaMallocManaged(&managed, 1 << 20));
    for (void* each : {(void*)d, (void*)(d + 100), (void*)h, (void*)pinned, (void*)managed}) {
        cudaPointerAttributes a;
        const cudaError_t error = cudaPointerGetAttributes(&a, each);
        std::printf("pointer: %s type %d device %d\n", cudaGetErrorName(error), (int)a.type,
                    a.device);
        cudaGetLastError();
    }
    CALL(cudaFreeHost(pinned));
    CALL(cudaFreeHost(pinned));
    CALL(cudaFree(managed));
    CALL(cudaFree(d));
    CALL(cudaFree(d));
    CALL(cudaMemset(d, 0, 64));
    CALL(cudaMemcpy(h, d, 64, cudaMemcpyDeviceToHost));
    CALL(cudaFree(e));
    for (const size_t size : {size_t(5) << 20, size_t(2097153), size_t(32) << 20}) {
        std::printf("charged for %zu: %zu\n", size, charged(size));
    }
}

static void capture() {
    cudaStream_t s, t, blocking;
    cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&t, cudaStreamNonBlocking);
    cudaStreamCreate(&blocking);
    cudaEvent_t e, f;
    cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
    cudaEventCreateWithFlags(&f, cudaEventDisableTiming);
    float* x = nullptr;
    cudaMalloc(&x, 1 << 20);
    cudaGraph_t graph = nullptr, second = nullptr;
    cudaStreamCaptureStatus status;
    void* p = nullptr;
    const auto global = cudaStreamCaptureModeGlobal;
    const auto relaxed = cudaStreamCaptureModeRelaxed;
    const auto own = cudaStreamCaptureModeThreadLocal;

    RESULT(cudaEventSynchronize(e));
    RESULT(cudaEventQuery(e));
    RESULT(cudaStreamWaitEvent(s, e, 0));
    CALL(cudaStreamEndCapture(s, &graph));
    CALL(cudaStreamBeginCapture(0, global));

    CALL(cudaStreamBeginCapture(s, relaxed));
    CALL(cudaStreamBeginCapture(s, relaxed));
    LAUNCH("captured", (plain<<<1, 32, 0, s>>>(x)));
    CALL(cudaMemsetAsync(x, 0, 64, s));
    CALL(cudaMalloc(&p, 1 << 20));
    CALL(cudaFree(p));
    CALL(cudaStreamIsCapturing(s, &status));
    std::printf("capturing %d\n", (int)status);
    LAUNCH("on another stream meanwhile", (plain<<<1, 32, 0, t>>>(x)));
    LAUNCH("on the legacy stream meanwhile", (plain<<<1, 32>>>(x)));
    CALL(cudaStreamEndCapture(s, &graph));
    size_t nodes = 0;
    cudaGraphGetNodes(graph, nullptr, &nodes);
    std::printf("nodes %zu\n", nodes);

    cudaGraphExec_t exec = nullptr;
    CALL(cudaGraphInstantiate(&exec, graph, 0));
    CALL(cudaGraphLaunch(exec, s));
    CALL(cudaStreamSynchronize(s));

    cudaGraphExecUpdateResultInfo info;
    const auto update = [&](const char* what, auto work) {
        cudaStreamBeginCapture(s, relaxed);
        work();
        cudaStreamEndCapture(s, &second);
        const cudaError_t error = cudaGraphExecUpdate(exec, second, &info);
        std::printf("update, %s: %s result %d\n", what, cudaGetErrorName(error),
                    (int)info.result);
        say("last error", cudaGetLastError());
        CALL(cudaGraphLaunch(exec, s));
        cudaGraphDestroy(second);
    };
    update("other sizes", [&] {
        plain<<<4, 64, 0, s>>>(x);
        cudaMemsetAsync(x, 0, 128, s);
    });
    update("another kernel", [&] {
        bounded<<<4, 64, 0, s>>>(x);
        cudaMemsetAsync(x, 0, 128, s);
    });
    update("fewer nodes", [&] { plain<<<4, 64, 0, s>>>(x); });
    update("more nodes", [&] {
        plain<<<4, 64, 0, s>>>(x);
        cudaMemsetAsync(x, 0, 128, s);
        plain<<<4, 64, 0, s>>>(x);
    });
    update("another order", [&] {
        cudaMemsetAsync(x, 0, 128, s);
        plain<<<4, 64, 0, s>>>(x);
    });
    update("another kind of node", [&] {
        plain<<<4, 64, 0, s>>>(x);
        cudaMemcpyAsync(x, x + 64, 128, cudaMemcpyDeviceToDevice, s);
    });
    CALL(cudaGraphExecDestroy(exec));
    CALL(cudaGraphDestroy(graph));

    // Forked to another stream and joined again.
    cudaStreamBeginCapture(s, relaxed);
    plain<<<1, 32, 0, s>>>(x);
    CALL(cudaEventRecord(e, s));
    CALL(cudaStreamWaitEvent(t, e, 0));
    plain<<<1, 32, 0, t>>>(x);
    CALL(cudaStreamIsCapturing(t, &status));
    std::printf("forked stream capturing %d\n", (int)status);
    CALL(cudaEventRecord(f, t));
    CALL(cudaStreamWaitEvent(s, f, 0));
    plain<<<1, 32, 0, s>>>(x);
    CALL(cudaStreamEndCapture(s, &graph));
    CALL(cudaStreamIsCapturing(t, &status));
    std::printf("after the end %d\n", (int)status);
    cudaGraphDestroy(graph);
    CALL(cudaEventSynchronize(f));
    CALL(cudaEventQuery(f));
    CALL(cudaStreamWaitEvent(t, f, 0));

    // Forked and not joined, with work and without.
    for (const bool work : {true, false}) {
        cudaStreamBeginCapture(s, relaxed);
        plain<<<1, 32, 0, s>>>(x);
        cudaEventRecord(e, s);
        cudaStreamWaitEvent(t, e, 0);
        if (work) {
            plain<<<1, 32, 0, t>>>(x);
        }
        CALL(cudaStreamEndCapture(s, &graph));
        std::printf("graph of an unjoined capture %d\n", graph != nullptr);
        CALL(cudaStreamIsCapturing(t, &status));
        std::printf("forked stream %d\n", (int)status);
    }

    // Ended on the stream it was forked to.
    cudaStreamBeginCapture(s, relaxed);
    cudaEventRecord(e, s);
    cudaStreamWaitEvent(t, e, 0);
    CALL(cudaStreamEndCapture(t, &graph));
    CALL(cudaStreamIsCapturing(s, &status));
    std::printf("capturing %d\n", (int)status);
    CALL(cudaStreamEndCapture(s, &graph));

    const auto during = [&](cudaStreamCaptureMode mode, const char* what, auto call) {
        cudaStreamBeginCapture(s, mode);
        const cudaError_t error = call();
        cudaGetLastError();
        const cudaError_t asked = cudaStreamIsCapturing(s, &status);
        const cudaError_t end = cudaStreamEndCapture(s, &graph);
        std::printf("%s in mode %d: %s; %s %d; %s\n", what, (int)mode, cudaGetErrorName(error),
                    cudaGetErrorName(asked), (int)status, cudaGetErrorName(end));
        cudaGetLastError();
        if (graph != nullptr) {
            cudaGraphDestroy(graph);
        }
        graph = nullptr;
    };
    cudaEvent_t before, captured;
    cudaEventCreateWithFlags(&before, cudaEventDisableTiming);
    cudaEventCreateWithFlags(&captured, cudaEventDisableTiming);
    cudaEventRecord(before, t);
    char byte = 0;
    char* pinned = nullptr;
    cudaMallocHost(&pinned, 4096);
    for (const auto mode : {global, own, relaxed}) {
        size_t free = 0, total = 0;
        void* q = nullptr;
#define DURING(expression) during(mode, #expression, [&] { return expression; })
        DURING(cudaMalloc(&q, 64));
        DURING(cudaMallocHost(&q, 64));
        DURING(cudaMemcpy(x, &byte, 1, cudaMemcpyHostToDevice));
        DURING(cudaMemset(x, 0, 64));
        DURING(cudaStreamSynchronize(s));
        DURING(cudaStreamSynchronize(t));
        DURING(cudaStreamQuery(t));
        DURING(cudaDeviceSynchronize());
        DURING(cudaEventSynchronize(before));
        DURING(cudaEventQuery(before));
        DURING(cudaStreamWaitEvent(s, before, 0));
        DURING(cudaStreamWaitEvent(t, before, 0));
        DURING((cudaEventRecord(captured, s), cudaEventSynchronize(captured)));
        DURING((cudaEventRecord(captured, s), cudaEventQuery(captured)));
        DURING((cudaEventRecord(captured, s), cudaStreamWaitEvent(0, captured, 0)));
        DURING((cudaEventRecord(captured, s), cudaStreamWaitEvent(blocking, captured, 0)));
        DURING(cudaMemGetInfo(&free, &total));
        DURING(cudaHostUnregister(&byte));
        DURING((plain<<<1, 2000, 0, s>>>(x), cudaGetLastError()));
        DURING((plain<<<1, 32, 0, t>>>(x), cudaGetLastError()));
        DURING((plain<<<1, 32>>>(x), cudaGetLastError()));
        DURING(cudaMemcpyAsync(x, &byte, 1, cudaMemcpyHostToDevice, s));
        DURING(cudaMemcpyAsync(x, pinned, 1, cudaMemcpyHostToDevice, s));
        DURING(cudaMemcpyAsync(pinned, pinned + 64, 1, cudaMemcpyHostToHost, s));
        DURING(cudaMemcpyAsync(x, nullptr, 1, cudaMemcpyHostToDevice, s));
        DURING([&] {
            cudaError_t error = cudaSuccess;
            std::thread([&] { error = cudaMalloc(&q, 64); }).join();
            return error;
        }());
        DURING([&] {
            cudaError_t error = cudaSuccess;
            std::thread([&] { error = cudaStreamEndCapture(s, &graph); }).join();
            return error;
        }());
    }
    for (const auto mode : {global, relaxed}) {
        cudaStreamBeginCapture(blocking, mode);
        LAUNCH("on the legacy stream beside a blocking one", (plain<<<1, 32>>>(x)));
        CALL(cudaStreamEndCapture(blocking, &graph));
        cudaStreamBeginCapture(blocking, mode);
        CALL(cudaEventRecord(before, 0));
        CALL(cudaStreamEndCapture(blocking, &graph));
        cudaStreamBeginCapture(blocking, mode);
        CALL(cudaMemcpy(x, &byte, 1, cudaMemcpyHostToDevice));
        CALL(cudaStreamEndCapture(blocking, &graph));
        cudaStreamBeginCapture(blocking, mode);
        CALL(cudaStreamSynchronize(0));
        CALL(cudaStreamEndCapture(blocking, &graph));
    }

    // Streams and events that are still in a capture.
    cudaStreamBeginCapture(t, relaxed);
    CALL(cudaStreamDestroy(t));
    CALL(cudaStreamDestroy(s));
    CALL(cudaEventDestroy(e));
    cudaFree(x);
}

static void virtual_memory() {
    CUmemAllocationProp prop = {};
    prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    size_t step = 0;
    RESULT(cuMemGetAllocationGranularity(&step, &prop, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED));
    std::printf("granularity %zu\n", step);
    CUdeviceptr at = 0;
    RESULT(cuMemAddressReserve(&at, 100, 0, 0, 0));
    RESULT(cuMemAddressReserve(&at, 16 * step, 0, 0, 0));
    CUmemGenericAllocationHandle a = 0, b = 0;
    RESULT(cuMemCreate(&a, 100, &prop, 0));
    RESULT(cuMemCreate(&a, size_t(1) << 50, &prop, 0));
    RESULT(cuMemCreate(&a, 2 * step, &prop, 0));
    RESULT(cuMemCreate(&b, step, &prop, 0));
    RESULT(cuMemMap(at, 2 * step, 0, a, 0));
    RESULT(cuMemMap(at + step, step, 0, b, 0));
    RESULT(cuMemMap(at + 2 * step, step, 0, b, 0));
    RESULT(cuMemRelease(a));
    char c = 0;
    CALL(cudaMemcpy(&c, (void*)at, 1, cudaMemcpyDeviceToHost));
    CUmemAccessDesc access = {};
    access.location = prop.location;
    access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    RESULT(cuMemSetAccess(at, 4 * step, &access, 1));
    RESULT(cuMemSetAccess(at, 3 * step, &access, 1));
    CALL(cudaMemset((void*)at, 5, 3 * step));
    CALL(cudaMemset((void*)(at + 3 * step), 5, 1));
    RESULT(cuMemAddressFree(at, 16 * step));
    RESULT(cuMemUnmap(at, step));
    RESULT(cuMemUnmap(at, 2 * step));
    RESULT(cuMemUnmap(at + 2 * step, step));
    RESULT(cuMemRelease(b));
    RESULT(cuMemAddressFree(at, 16 * step));
}

int main() {
    device();
    functions();
    launches();
    memory();
    capture();
    virtual_memory();
    say("at the end", cudaGetLastError());
    return 0;
}
