// Tests of the shadow runtime in one process each: runtime_test FOLDER NAME.

#include <cuda.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <thread>

#include "common/half.h"
#include "cublas/cublas_abi.h"
#include "fake_executor.h"
#include "harness.h"

using namespace harness;

namespace {

std::string folder;

std::string fake_executor_path() {
    Dl_info info{};
    CHECK(dladdr(reinterpret_cast<const void *>(&llamaproof_executor_abi), &info) != 0);
    return info.dli_fname;
}

void a_launch_is_recorded_with_all_it_was_given() {
    start(folder, "record");
    cudaStream_t stream = nullptr;
    CHECK_EQUAL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
    llamaproof_shadow_reset();
    CHECK_EQUAL(launch(&shared, dim3(7, 3, 2), dim3(32, 4), 2048, stream), cudaSuccess);
    const auto records = drain();
    CHECK_EQUAL(records.size(), 1U);
    const llamaproof_record & r = records[0];
    CHECK_EQUAL(r.kind, std::uint32_t{LLAMAPROOF_RECORD_LAUNCH});
    CHECK(std::strcmp(llamaproof_shadow_name(r.name), "shared") == 0);
    const std::uint64_t expected[] = {7, 3, 2, 32, 4, 1, 2048, 8192, 40, 0};
    CHECK(std::equal(std::begin(expected), std::end(expected), r.value));
    // 102400 bytes hold 8 blocks of 8192 + 2048 + 1024 (reserved), rounded to 128: 9 * 11264.
    CHECK_EQUAL(r.value[11], 9U);
    CHECK(r.stream != 0);
}

void launches_beyond_the_card_are_refused() {
    start(folder, "record");
    CHECK_EQUAL(launch(&plain, 1, 1025), cudaErrorInvalidValue);
    CHECK_EQUAL(cudaPeekAtLastError(), cudaErrorInvalidValue);
    CHECK_EQUAL(cudaGetLastError(), cudaErrorInvalidValue);
    CHECK_EQUAL(cudaGetLastError(), cudaSuccess);
    CHECK_EQUAL(launch(&plain, dim3(1, 65536), 32), cudaErrorInvalidValue);
    CHECK_EQUAL(launch(&bounded, 1, 256), cudaErrorInvalidValue);
    CHECK_EQUAL(launch(&plain, 1, 32, 49153), cudaErrorInvalidValue);
    const auto most = cudaFuncAttributeMaxDynamicSharedMemorySize;
    CHECK_EQUAL(cudaFuncSetAttribute(&shared, most, 101376), cudaErrorInvalidValue);
    CHECK_EQUAL(cudaFuncSetAttribute(&shared, most, 101376 - 8192), cudaSuccess);
    CHECK_EQUAL(launch(&shared, 1, 32, 101376 - 8192), cudaSuccess);
    CHECK_EQUAL(launch(&foreign, 1, 32), cudaErrorNoKernelImageForDevice);
    CHECK_EQUAL(launch(&lean, 1, 32), cudaErrorInvalidResourceHandle);
    const auto records = drain();
    CHECK_EQUAL(count(records, LLAMAPROOF_RECORD_LAUNCH), 1U);
    CHECK_EQUAL(count(records, LLAMAPROOF_RECORD_REFUSED), 7U);
}

void each_device_has_its_own_code() {
    start(folder, "record");
    CHECK_EQUAL(cudaSetDevice(1), cudaSuccess);
    CHECK_EQUAL(launch(&plain, 1, 32), cudaSuccess);
    CHECK_EQUAL(launch(&shared, 1, 32), cudaErrorNoKernelImageForDevice);
    const auto records = drain();
    CHECK_EQUAL(records[0].device, 1);
    CHECK_EQUAL(records[0].value[9],
                std::uint64_t{LLAMAPROOF_LAUNCH_FROM_PTX | LLAMAPROOF_LAUNCH_ESTIMATED});
    cudaFuncAttributes attributes{};
    CHECK_EQUAL(cudaFuncGetAttributes(&attributes, &plain), cudaSuccess);
    CHECK_EQUAL(attributes.numRegs, 64);
    CHECK_EQUAL(attributes.binaryVersion, 70);
}

void device_memory_is_reserved_and_not_touched() {
    start(folder, "record");
    constexpr std::size_t size = std::size_t{40} << 30;
    char * device = nullptr;
    CHECK_EQUAL(cudaMalloc(reinterpret_cast<void **>(&device), size), cudaSuccess);
    CHECK_EQUAL(cudaMemset(device, 1, size), cudaSuccess);
    std::vector<char> host(1 << 20, 'x');
    for (std::size_t at = 0; at < size; at += std::size_t{1} << 30) {
        CHECK_EQUAL(cudaMemcpy(device + at, host.data(), host.size(), cudaMemcpyHostToDevice),
                    cudaSuccess);
    }
    CHECK_EQUAL(cudaMemcpy(host.data(), device, host.size(), cudaMemcpyDeviceToHost), cudaSuccess);
    CHECK_EQUAL(std::count(host.begin(), host.end(), 0), 1 << 20);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    CHECK(usage.ru_maxrss < 1 << 20);  // KiB
    CHECK_EQUAL(cudaFree(device), cudaSuccess);
}

void what_the_host_reads_is_defined() {
    start(folder, "record");
    int * device = nullptr;
    CHECK_EQUAL(cudaMalloc(reinterpret_cast<void **>(&device), 400), cudaSuccess);
    std::vector<int> host(100, 9);
    CHECK_EQUAL(cudaMemcpy(host.data(), device, 400, cudaMemcpyDeviceToHost), cudaSuccess);
    CHECK_EQUAL(std::count(host.begin(), host.end(), 0), 100);
    CHECK_EQUAL(llamaproof_shadow_read_back(0), 1);
    CHECK_EQUAL(llamaproof_shadow_read_back(8), 0);
    CHECK_EQUAL(cudaMemcpy(host.data(), device, 400, cudaMemcpyDeviceToHost), cudaSuccess);
    for (int i = 0; i < 100; ++i) {
        CHECK_EQUAL(host[static_cast<std::size_t>(i)], i % 8);
    }
    char odd[] = "xxxxxxx";
    CHECK_EQUAL(cudaMemcpy(odd, device, 6, cudaMemcpyDeviceToHost), cudaSuccess);
    CHECK(std::memcmp(odd, "\0\0\0\0\1\0x", 7) == 0);
}

void the_cards_size_is_the_limit() {
    start(folder, "record");
    void * most = nullptr;
    void * more = nullptr;
    const std::size_t gib = std::size_t{1} << 30;
    CHECK_EQUAL(cudaMalloc(&most, 47 * gib), cudaSuccess);
    CHECK_EQUAL(cudaMalloc(&more, 2 * gib), cudaErrorMemoryAllocation);
    CHECK(more == nullptr);
    CHECK_EQUAL(cudaGetLastError(), cudaErrorMemoryAllocation);
    std::size_t free = 0;
    std::size_t total = 0;
    CHECK_EQUAL(cudaMemGetInfo(&free, &total), cudaSuccess);
    CHECK_EQUAL(free, gib);
    CHECK_EQUAL(total, 48 * gib);
    CHECK_EQUAL(cudaFree(most), cudaSuccess);
    CHECK_EQUAL(cudaMalloc(&more, 2 * gib), cudaSuccess);
    CHECK_EQUAL(cudaFree(more), cudaSuccess);
    CHECK_EQUAL(cudaFree(more), cudaErrorInvalidValue);
    std::uint64_t current = 1;
    std::uint64_t peak = 0;
    std::uint64_t whole = 0;
    CHECK_EQUAL(llamaproof_shadow_memory(0, &current, &peak, &whole), 0);
    CHECK_EQUAL(current, 0U);
    CHECK_EQUAL(peak, 47 * gib);
    CHECK_EQUAL(llamaproof_shadow_memory(2, &current, &peak, &whole), 1);
}

void freed_memory_is_used_again_without_overlap() {
    start(folder, "record");
    std::mt19937 random(1);
    std::map<std::uintptr_t, std::size_t> live;
    CHECK_EQUAL(cudaSetDevice(1), cudaSuccess);
    for (int i = 0; i < 20000; ++i) {
        if (live.size() > 40 || (!live.empty() && random() % 3 == 0)) {
            const auto victim = std::next(live.begin(), random() % live.size());
            CHECK_EQUAL(cudaFree(reinterpret_cast<void *>(victim->first)), cudaSuccess);
            live.erase(victim);
            continue;
        }
        const std::size_t size = 1 + random() % (8 << 20);
        void * p = nullptr;
        CHECK_EQUAL(cudaMalloc(&p, size), cudaSuccess);
        const auto address = reinterpret_cast<std::uintptr_t>(p);
        const auto next = live.lower_bound(address);
        CHECK(next == live.end() || address + size <= next->first);
        CHECK(next == live.begin() || std::prev(next)->first + std::prev(next)->second <= address);
        live[address] = size;
    }
    for (const auto & [address, size] : live) {
        CHECK_EQUAL(cudaFree(reinterpret_cast<void *>(address)), cudaSuccess);
    }
    void * whole = nullptr;
    CHECK_EQUAL(cudaMalloc(&whole, std::size_t{1} << 30), cudaSuccess);
    CHECK_EQUAL(cudaFree(whole), cudaSuccess);
}

void ten_thousand_launches_leave_nothing_behind() {
    void ** handle = start(folder, "record");
    for (int i = 0; i < 10000; ++i) {
        cudaStream_t stream = nullptr;
        void * p = nullptr;
        CHECK_EQUAL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
        CHECK_EQUAL(cudaMalloc(&p, 4096), cudaSuccess);
        __cudaPushCallConfiguration(1, 32, 0, stream);
        dim3 grid;
        dim3 block;
        std::size_t dynamic = 0;
        CHECK_EQUAL(__cudaPopCallConfiguration(&grid, &block, &dynamic, &stream), cudaSuccess);
        CHECK_EQUAL(launch(&plain, grid, block, dynamic, stream, p), cudaSuccess);
        CHECK_EQUAL(cudaFree(p), cudaSuccess);
        CHECK_EQUAL(cudaStreamDestroy(stream), cudaSuccess);
        if (i % 100 == 0) {
            drain();
        }
    }
    llamaproof_shadow_reset();
    CHECK_EQUAL(llamaproof_shadow_dropped(), 0U);
    __cudaUnregisterFatBinary(handle);
}

void what_finds_no_room_is_counted() {
    start(folder, "record");
    for (int i = 0; i < (1 << 21) + 5; ++i) {
        llamaproof_shadow_mark("again");
    }
    CHECK_EQUAL(llamaproof_shadow_dropped(), 5U);
    llamaproof_shadow_reset();
    CHECK_EQUAL(llamaproof_shadow_dropped(), 0U);
}

void threads_with_their_own_streams_do_not_disturb_each_other() {
    start(folder, "record");
    constexpr int threads = 8;
    constexpr int rounds = 200;
    std::atomic<int> called{0};
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t) {
        all.emplace_back([t, &called] {
            CHECK_EQUAL(cudaSetDevice(t % 2), cudaSuccess);
            cudaStream_t stream = nullptr;
            cudaStream_t side = nullptr;
            cudaEvent_t fork = nullptr;
            cudaEvent_t join = nullptr;
            CHECK_EQUAL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
            CHECK_EQUAL(cudaStreamCreateWithFlags(&side, cudaStreamNonBlocking), cudaSuccess);
            CHECK_EQUAL(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming), cudaSuccess);
            CHECK_EQUAL(cudaEventCreateWithFlags(&join, cudaEventDisableTiming), cudaSuccess);
            cublasHandle_t blas = nullptr;
            CHECK_EQUAL(cublasCreate_v2(&blas), CUBLAS_STATUS_SUCCESS);
            CHECK_EQUAL(cublasSetStream_v2(blas, stream), CUBLAS_STATUS_SUCCESS);
            for (int i = 0; i < rounds; ++i) {
                float * p = nullptr;
                CHECK_EQUAL(cudaMalloc(reinterpret_cast<void **>(&p), 1 << 16), cudaSuccess);
                CHECK_EQUAL(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed),
                            cudaSuccess);
                CHECK_EQUAL(launch(&plain, 1, 32, 0, stream, p), cudaSuccess);
                CHECK_EQUAL(cudaEventRecord(fork, stream), cudaSuccess);
                CHECK_EQUAL(cudaStreamWaitEvent(side, fork, 0), cudaSuccess);
                CHECK_EQUAL(launch(&plain, 1, 64, 0, side, p), cudaSuccess);
                CHECK_EQUAL(cudaEventRecord(join, side), cudaSuccess);
                CHECK_EQUAL(cudaStreamWaitEvent(stream, join, 0), cudaSuccess);
                CHECK_EQUAL(cudaMemsetAsync(p, 0, 64, stream), cudaSuccess);
                CHECK_EQUAL(
                    cudaLaunchHostFunc(
                        stream, [](void * counter) { ++*static_cast<std::atomic<int> *>(counter); },
                        &called),
                    cudaSuccess);
                cudaGraph_t graph = nullptr;
                CHECK_EQUAL(cudaStreamEndCapture(stream, &graph), cudaSuccess);
                cudaGraphExec_t executable = nullptr;
                CHECK_EQUAL(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
                CHECK_EQUAL(cudaGraphLaunch(executable, stream), cudaSuccess);
                CHECK_EQUAL(cudaGraphExecDestroy(executable), cudaSuccess);
                CHECK_EQUAL(cudaGraphDestroy(graph), cudaSuccess);
                const float one = 1.0F;
                CHECK_EQUAL(cublasSgemm_v2(blas, CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &one, p, 4, p,
                                           4, &one, p, 4),
                            CUBLAS_STATUS_SUCCESS);
                CHECK_EQUAL(cudaFree(p), cudaSuccess);
                // An error belongs to the thread that made it.
                CHECK_EQUAL(launch(&plain, 1, t % 2 == 0 ? 2000 : 32, 0, stream),
                            t % 2 == 0 ? cudaErrorInvalidValue : cudaSuccess);
                CHECK_EQUAL(cudaGetLastError(), t % 2 == 0 ? cudaErrorInvalidValue : cudaSuccess);
            }
            CHECK_EQUAL(cublasDestroy_v2(blas), CUBLAS_STATUS_SUCCESS);
            CHECK_EQUAL(cudaStreamDestroy(stream), cudaSuccess);
            CHECK_EQUAL(cudaStreamDestroy(side), cudaSuccess);
            CHECK_EQUAL(cudaEventDestroy(fork), cudaSuccess);
            CHECK_EQUAL(cudaEventDestroy(join), cudaSuccess);
        });
    }
    std::size_t launches = 0;
    std::uint64_t last = 0;
    for (bool running = true; running;) {
        running = called.load() < threads * rounds;
        for (const llamaproof_record & record : drain()) {
            CHECK(record.sequence > last);
            last = record.sequence;
            launches += record.kind == LLAMAPROOF_RECORD_LAUNCH ? 1 : 0;
        }
        std::this_thread::yield();
    }
    for (std::thread & thread : all) {
        thread.join();
    }
    launches += count(drain(), LLAMAPROOF_RECORD_LAUNCH);
    CHECK_EQUAL(called.load(), threads * rounds);
    CHECK_EQUAL(launches, std::size_t{threads * rounds * 2 + threads / 2 * rounds});
}

// Execute mode.

void contents_are_kept_and_the_executor_hears_of_them() {
    start(folder, "execute", fake_executor_path());
    std::vector<int> host(1000);
    for (int i = 0; i < 1000; ++i) {
        host[static_cast<std::size_t>(i)] = i;
    }
    int * a = nullptr;
    int * b = nullptr;
    CHECK_EQUAL(cudaMalloc(reinterpret_cast<void **>(&a), 4000), cudaSuccess);
    CHECK_EQUAL(cudaMalloc(reinterpret_cast<void **>(&b), 4000), cudaSuccess);
    CHECK_EQUAL(cudaMemcpy(a, host.data(), 4000, cudaMemcpyHostToDevice), cudaSuccess);
    CHECK_EQUAL(cudaMemset(b, 0x11, 4000), cudaSuccess);
    // 10 rows of 5 numbers, 50 apart there and 20 apart here.
    CHECK_EQUAL(cudaMemcpy2DAsync(b, 80, a, 200, 20, 10, cudaMemcpyDeviceToDevice, nullptr),
                cudaSuccess);
    std::vector<int> back(1000);
    CHECK_EQUAL(cudaMemcpy(back.data(), b, 4000, cudaMemcpyDeviceToHost), cudaSuccess);
    for (int i = 0; i < 200; ++i) {
        const int expected = i % 20 < 5 ? i / 20 * 50 + i % 20 : 0x11111111;
        CHECK_EQUAL(back[static_cast<std::size_t>(i)], expected);
    }
    CHECK_EQUAL(cudaFree(a), cudaSuccess);
    const FakeExecutor & seen = fake_executor();
    CHECK_EQUAL(seen.events[LLAMAPROOF_MEMORY_ALLOCATED], 2);
    CHECK_EQUAL(seen.events[LLAMAPROOF_MEMORY_WRITTEN], 2);
    CHECK_EQUAL(seen.events[LLAMAPROOF_MEMORY_COPIED], 10);
    CHECK_EQUAL(seen.events[LLAMAPROOF_MEMORY_READ], 1);
    CHECK_EQUAL(seen.events[LLAMAPROOF_MEMORY_FREED], 1);
}

void a_launch_reaches_the_executor_with_its_parameters() {
    start(folder, "execute", fake_executor_path());
    int * p = nullptr;
    CHECK_EQUAL(cudaMalloc(reinterpret_cast<void **>(&p), 4096), cudaSuccess);
    CHECK_EQUAL(launch(&plain, dim3(2, 3), dim3(8, 4), 128, nullptr, p, 77), cudaSuccess);
    FakeExecutor & seen = fake_executor();
    CHECK_EQUAL(seen.launches, 1);
    CHECK(seen.kernel == "plain");
    CHECK(seen.ptx_path == folder + "/kernels.ptx");
    CHECK_EQUAL(seen.last.ptx_sm, 80);
    CHECK_EQUAL(seen.last.grid[1], 3U);
    CHECK_EQUAL(seen.last.block[0], 8U);
    CHECK_EQUAL(seen.last.dynamic_shared_bytes, 128U);
    CHECK_EQUAL(seen.parameters.size(), 12U);
    void * pointer = nullptr;
    int number = 0;
    std::memcpy(&pointer, seen.parameters.data(), 8);
    std::memcpy(&number, seen.parameters.data() + 8, 4);
    CHECK(pointer == p);
    CHECK_EQUAL(number, 77);

    // A captured launch keeps the values it had, and runs when its graph does.
    cudaStream_t stream = nullptr;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    CHECK_EQUAL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
    CHECK_EQUAL(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), cudaSuccess);
    CHECK_EQUAL(launch(&plain, 1, 32, 0, stream, p, 78), cudaSuccess);
    CHECK_EQUAL(cudaStreamEndCapture(stream, &graph), cudaSuccess);
    CHECK_EQUAL(seen.launches, 1);
    CHECK_EQUAL(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
    CHECK_EQUAL(cudaGraphLaunch(executable, stream), cudaSuccess);
    CHECK_EQUAL(cudaGraphLaunch(executable, stream), cudaSuccess);
    CHECK_EQUAL(seen.launches, 3);
    std::memcpy(&number, seen.parameters.data() + 8, 4);
    CHECK_EQUAL(number, 78);
}

void a_captured_launch_can_be_read_and_changed() {
    start(folder, "execute", fake_executor_path());
    cudaStream_t stream = nullptr;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    int * p = nullptr;
    CHECK_EQUAL(cudaMalloc(reinterpret_cast<void **>(&p), 4096), cudaSuccess);
    CHECK_EQUAL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
    CHECK_EQUAL(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), cudaSuccess);
    CHECK_EQUAL(cudaMemsetAsync(p, 0, 64, stream), cudaSuccess);
    CHECK_EQUAL(launch(&plain, 3, 32, 16, stream, p, 5), cudaSuccess);
    CHECK_EQUAL(cudaStreamEndCapture(stream, &graph), cudaSuccess);
    cudaGraphNode_t nodes[4] = {};
    std::size_t count = 4;
    CHECK_EQUAL(cudaGraphGetNodes(graph, nodes, &count), cudaSuccess);
    CHECK_EQUAL(count, 2U);
    CHECK(nodes[2] == nullptr);
    cudaGraphNodeType type{};
    CHECK_EQUAL(cudaGraphNodeGetType(nodes[0], &type), cudaSuccess);
    CHECK_EQUAL(type, cudaGraphNodeTypeMemset);
    CHECK_EQUAL(cudaGraphNodeGetType(nodes[1], &type), cudaSuccess);
    CHECK_EQUAL(type, cudaGraphNodeTypeKernel);
    cudaKernelNodeParams params{};
    CHECK_EQUAL(cudaGraphKernelNodeGetParams(nodes[0], &params), cudaErrorInvalidValue);
    CHECK_EQUAL(cudaGraphKernelNodeGetParams(nodes[1], &params), cudaSuccess);
    CHECK(params.func == &plain);
    CHECK_EQUAL(params.gridDim.x, 3U);
    CHECK_EQUAL(params.sharedMemBytes, 16U);
    CHECK_EQUAL(*static_cast<int *>(params.kernelParams[1]), 5);
    int changed = 6;
    params.kernelParams[1] = &changed;
    CHECK_EQUAL(cudaGraphKernelNodeSetParams(nodes[1], &params), cudaSuccess);
    CHECK_EQUAL(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
    CHECK_EQUAL(cudaGraphLaunch(executable, stream), cudaSuccess);
    int number = 0;
    void * pointer = nullptr;
    std::memcpy(&pointer, fake_executor().parameters.data(), 8);
    std::memcpy(&number, fake_executor().parameters.data() + 8, 4);
    CHECK(pointer == p);
    CHECK_EQUAL(number, 6);
    CHECK_EQUAL(cudaGraphNodeGetType(nullptr, &type), cudaErrorInvalidValue);
}

void a_fault_in_a_kernel_stays() {
    start(folder, "execute", fake_executor_path());
    fake_executor().outcome = 1;
    CHECK_EQUAL(launch(&plain, 1, 32), cudaErrorLaunchFailure);
    fake_executor().outcome = 0;
    CHECK_EQUAL(cudaGetLastError(), cudaErrorLaunchFailure);
    CHECK_EQUAL(cudaGetLastError(), cudaErrorLaunchFailure);
    CHECK_EQUAL(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
    CHECK_EQUAL(launch(&plain, 1, 32), cudaErrorLaunchFailure);
}

void virtual_memory_keeps_contents_across_mappings() {
    start(folder, "execute", fake_executor_path());
    CUmemAllocationProp prop = {};
    prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    const std::size_t step = 2 << 20;
    CUdeviceptr at = 0;
    CUmemGenericAllocationHandle handle = 0;
    CHECK_EQUAL(cuMemAddressReserve(&at, 4 * step, 0, 0, 0), CUDA_SUCCESS);
    CHECK_EQUAL(cuMemCreate(&handle, step, &prop, 0), CUDA_SUCCESS);
    CUmemAccessDesc access = {};
    access.location = prop.location;
    access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    for (int i = 0; i < 2; ++i) {
        const CUdeviceptr here = at + static_cast<std::size_t>(i) * 2 * step;
        CHECK_EQUAL(cuMemMap(here, step, 0, handle, 0), CUDA_SUCCESS);
        CHECK_EQUAL(cuMemSetAccess(here, step, &access, 1), CUDA_SUCCESS);
        void * p = reinterpret_cast<void *>(here);
        int value = 41;
        if (i == 0) {
            CHECK_EQUAL(cudaMemcpy(p, &value, 4, cudaMemcpyHostToDevice), cudaSuccess);
        }
        value = 0;
        CHECK_EQUAL(cudaMemcpy(&value, p, 4, cudaMemcpyDeviceToHost), cudaSuccess);
        CHECK_EQUAL(value, 41);
        CHECK_EQUAL(cuMemUnmap(here, step), CUDA_SUCCESS);
    }
    std::uint64_t current = 0;
    std::uint64_t peak = 0;
    std::uint64_t total = 0;
    llamaproof_shadow_memory(0, &current, &peak, &total);
    CHECK_EQUAL(current, step);
    CHECK_EQUAL(cuMemRelease(handle), CUDA_SUCCESS);
    llamaproof_shadow_memory(0, &current, &peak, &total);
    CHECK_EQUAL(current, 0U);
    CHECK_EQUAL(cuMemAddressFree(at, 4 * step), CUDA_SUCCESS);
}

template <typename T> T * upload(const std::vector<T> & values) {
    T * p = nullptr;
    CHECK_EQUAL(cudaMalloc(reinterpret_cast<void **>(&p), values.size() * sizeof(T)), cudaSuccess);
    CHECK_EQUAL(cudaMemcpy(p, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice),
                cudaSuccess);
    return p;
}

template <typename T> std::vector<T> download(const T * p, std::size_t count) {
    std::vector<T> values(count);
    CHECK_EQUAL(cudaMemcpy(values.data(), p, count * sizeof(T), cudaMemcpyDeviceToHost),
                cudaSuccess);
    return values;
}

// Small whole numbers: every product and sum is exact in f32, f16 and bf16, in any order.
std::vector<float> whole_numbers(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<float> values(count);
    for (float & value : values) {
        value = static_cast<float>(static_cast<int>(random() % 7) - 3);
    }
    return values;
}

void matrix_products_are_exact_for_whole_numbers() {
    start(folder, "execute", fake_executor_path());
    cublasHandle_t blas = nullptr;
    CHECK_EQUAL(cublasCreate_v2(&blas), CUBLAS_STATUS_SUCCESS);
    const int m = 5;
    const int n = 3;
    const int k = 11;
    const int pad = 2;
    for (const auto type : {CUDA_R_32F, CUDA_R_16F, CUDA_R_16BF}) {
        for (int transposed = 0; transposed < 4; ++transposed) {
            const bool ta = (transposed & 1) != 0;
            const bool tb = (transposed & 2) != 0;
            const int lda = (ta ? k : m) + pad;
            const int ldb = (tb ? n : k) + pad;
            const int ldc = m + pad;
            const auto a = whole_numbers(static_cast<std::size_t>(lda * (ta ? m : k)), 1);
            const auto b = whole_numbers(static_cast<std::size_t>(ldb * (tb ? k : n)), 2);
            const auto c = whole_numbers(static_cast<std::size_t>(ldc * n), 3);
            const auto encoded = [type](const std::vector<float> & values) -> const void * {
                if (type == CUDA_R_32F) {
                    return upload(values);
                }
                std::vector<std::uint16_t> bits;
                for (const float value : values) {
                    bits.push_back(type == CUDA_R_16F ? llamaproof::float_to_half(value)
                                                      : llamaproof::float_to_bfloat(value));
                }
                return upload(bits);
            };
            float * result = upload(c);
            const float alpha = 2.0F;
            const float beta = -3.0F;
            CHECK_EQUAL(
                cublasGemmEx(blas, ta ? CUBLAS_OP_T : CUBLAS_OP_N, tb ? CUBLAS_OP_T : CUBLAS_OP_N,
                             m, n, k, &alpha, encoded(a), type, lda, encoded(b), type, ldb, &beta,
                             result, CUDA_R_32F, ldc, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
                CUBLAS_STATUS_SUCCESS);
            const auto found = download(result, c.size());
            for (int j = 0; j < n; ++j) {
                for (int i = 0; i < ldc; ++i) {
                    const auto at = static_cast<std::size_t>(j * ldc + i);
                    int expected = static_cast<int>(c[at]);
                    if (i < m) {
                        int sum = 0;
                        for (int p = 0; p < k; ++p) {
                            const int ai = ta ? i * lda + p : p * lda + i;
                            const int bi = tb ? p * ldb + j : j * ldb + p;
                            sum += static_cast<int>(a[static_cast<std::size_t>(ai)]) *
                                   static_cast<int>(b[static_cast<std::size_t>(bi)]);
                        }
                        expected = 2 * sum - 3 * expected;
                    }
                    CHECK_EQUAL(static_cast<int>(found[at]), expected);
                }
            }
        }
    }
}

void batches_take_their_matrices_from_pointers_or_strides() {
    start(folder, "execute", fake_executor_path());
    cublasHandle_t blas = nullptr;
    CHECK_EQUAL(cublasCreate_v2(&blas), CUBLAS_STATUS_SUCCESS);
    const int size = 4;
    const int batch = 3;
    const auto square = static_cast<std::size_t>(size * size);
    const auto a = whole_numbers(square * batch, 4);
    const auto b = whole_numbers(square * batch, 5);
    float * device_a = upload(a);
    float * device_b = upload(b);
    float * strided = upload(std::vector<float>(square * batch, 9.0F));
    float * pointed = upload(std::vector<float>(square * batch, 9.0F));
    std::vector<const void *> as;
    std::vector<const void *> bs;
    std::vector<void *> cs;
    for (std::size_t i = 0; i < batch; ++i) {
        as.push_back(device_a + i * square);
        bs.push_back(device_b + i * square);
        cs.push_back(pointed + i * square);
    }
    const std::uint16_t one = llamaproof::float_to_half(1.0F);
    const std::uint16_t zero = 0;
    CHECK_EQUAL(
        cublasGemmStridedBatchedEx(blas, CUBLAS_OP_N, CUBLAS_OP_N, size, size, size, &one, device_a,
                                   CUDA_R_32F, size, size * size, device_b, CUDA_R_32F, size,
                                   size * size, &zero, strided, CUDA_R_32F, size, size * size,
                                   batch, CUBLAS_COMPUTE_16F, CUBLAS_GEMM_DEFAULT_TENSOR_OP),
        CUBLAS_STATUS_SUCCESS);
    CHECK_EQUAL(cublasGemmBatchedEx(blas, CUBLAS_OP_N, CUBLAS_OP_N, size, size, size, &one,
                                    upload(as), CUDA_R_32F, size, upload(bs), CUDA_R_32F, size,
                                    &zero, upload(cs), CUDA_R_32F, size, batch, CUBLAS_COMPUTE_16F,
                                    CUBLAS_GEMM_DEFAULT_TENSOR_OP),
                CUBLAS_STATUS_SUCCESS);
    const auto first = download(strided, square * batch);
    const auto second = download(pointed, square * batch);
    for (std::size_t i = 0; i < first.size(); ++i) {
        const std::size_t matrix = i / square;
        const std::size_t row = i % size;
        const std::size_t column = i % square / size;
        float expected = 0.0F;
        for (std::size_t p = 0; p < size; ++p) {
            expected +=
                a[matrix * square + p * size + row] * b[matrix * square + column * size + p];
        }
        CHECK(first[i] == expected);
        CHECK(second[i] == expected);
    }
    CHECK_EQUAL(cublasGemmEx(blas, CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &one, device_a, CUDA_R_32F, 3,
                             device_b, CUDA_R_32F, 4, &zero, strided, CUDA_R_32F, 4,
                             CUBLAS_COMPUTE_16F, CUBLAS_GEMM_DEFAULT),
                CUBLAS_STATUS_INVALID_VALUE);
    CHECK_EQUAL(cublasDestroy_v2(blas), CUBLAS_STATUS_SUCCESS);
    CHECK_EQUAL(cublasDestroy_v2(blas), CUBLAS_STATUS_NOT_INITIALIZED);
}

void triangular_systems_are_solved() {
    start(folder, "execute", fake_executor_path());
    cublasHandle_t blas = nullptr;
    CHECK_EQUAL(cublasCreate_v2(&blas), CUBLAS_STATUS_SUCCESS);
    const int m = 4;
    const int n = 3;
    for (int variant = 0; variant < 16; ++variant) {
        const bool left = (variant & 1) != 0;
        const bool lower = (variant & 2) != 0;
        const bool transpose = (variant & 4) != 0;
        const bool unit = (variant & 8) != 0;
        const int order = left ? m : n;
        // Diagonal of powers of two and small whole numbers: division is exact.
        auto a = whole_numbers(static_cast<std::size_t>(order * order), 6);
        for (int i = 0; i < order; ++i) {
            a[static_cast<std::size_t>(i * order + i)] = unit ? 7.0F : (i % 2 == 0 ? 2.0F : 0.5F);
        }
        const auto element = [&](int row, int column) -> float {
            if (transpose) {
                std::swap(row, column);
            }
            if (row == column) {
                return unit ? 1.0F : a[static_cast<std::size_t>(row * order + row)];
            }
            return (row > column) == lower ? a[static_cast<std::size_t>(column * order + row)]
                                           : 0.0F;
        };
        const auto x = whole_numbers(static_cast<std::size_t>(m * n), 7);
        std::vector<float> b(x.size());
        for (int i = 0; i < m; ++i) {
            for (int j = 0; j < n; ++j) {
                float sum = 0.0F;
                for (int p = 0; p < order; ++p) {
                    sum += left ? element(i, p) * x[static_cast<std::size_t>(j * m + p)]
                                : x[static_cast<std::size_t>(p * m + i)] * element(p, j);
                }
                b[static_cast<std::size_t>(j * m + i)] = sum;
            }
        }
        float * device_b = upload(b);
        const float one = 1.0F;
        CHECK_EQUAL(cublasStrsmBatched(blas, left ? CUBLAS_SIDE_LEFT : CUBLAS_SIDE_RIGHT,
                                       lower ? CUBLAS_FILL_MODE_LOWER : CUBLAS_FILL_MODE_UPPER,
                                       transpose ? CUBLAS_OP_T : CUBLAS_OP_N,
                                       unit ? CUBLAS_DIAG_UNIT : CUBLAS_DIAG_NON_UNIT, m, n, &one,
                                       upload(std::vector<const float *>{upload(a)}), order,
                                       upload(std::vector<float *>{device_b}), m, 1),
                    CUBLAS_STATUS_SUCCESS);
        const auto found = download(device_b, x.size());
        for (std::size_t i = 0; i < x.size(); ++i) {
            CHECK(found[i] == x[i]);
        }
    }
}

// Defects that a sanitizer has to find.

void plant_a_leak() {
    for (int i = 0; i < 100; ++i) {
        char * lost = new char[1000];
        CHECK(std::snprintf(lost, 1000, "%d", i) > 0);
    }
}

void plant_a_race() {
    static int shared_without_lock = 0;
    std::thread other([] { ++shared_without_lock; });
    ++shared_without_lock;
    other.join();
}

#define TEST(name) {#name, name}
const std::map<std::string, std::function<void()>> tests = {
    TEST(a_launch_is_recorded_with_all_it_was_given),
    TEST(launches_beyond_the_card_are_refused),
    TEST(each_device_has_its_own_code),
    TEST(device_memory_is_reserved_and_not_touched),
    TEST(what_the_host_reads_is_defined),
    TEST(the_cards_size_is_the_limit),
    TEST(freed_memory_is_used_again_without_overlap),
    TEST(ten_thousand_launches_leave_nothing_behind),
    TEST(what_finds_no_room_is_counted),
    TEST(threads_with_their_own_streams_do_not_disturb_each_other),
    TEST(contents_are_kept_and_the_executor_hears_of_them),
    TEST(a_launch_reaches_the_executor_with_its_parameters),
    TEST(a_captured_launch_can_be_read_and_changed),
    TEST(a_fault_in_a_kernel_stays),
    TEST(virtual_memory_keeps_contents_across_mappings),
    TEST(matrix_products_are_exact_for_whole_numbers),
    TEST(batches_take_their_matrices_from_pointers_or_strides),
    TEST(triangular_systems_are_solved),
    {"plant_a_leak", plant_a_leak},
    {"plant_a_race", plant_a_race},
};

}  // namespace

int main(int argc, char ** argv) {
    if (argc == 2 && std::string(argv[1]) == "--list") {
        for (const auto & [name, test] : tests) {
            std::printf("%s\n", name.c_str());
        }
        return 0;
    }
    CHECK_EQUAL(argc, 3);
    folder = argv[1];
    tests.at(argv[2])();
    return 0;
}
