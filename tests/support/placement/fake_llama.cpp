// A stand-in for llama.cpp's libraries and for the shadow runtime's records, in one library.
//
// It has the two gates of a release, supports_op and the dispatch, and lets a test make them
// disagree: -DSUPPORTED='...' and -DDISPATCHED='...' are conditions on d (DKQ), r (the ratio),
// t (tokens) and k (the K type). -DLAST_WORDS=1 adds what a CUDA runtime's refusal prints.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

#ifndef SUPPORTED
#define SUPPORTED true
#endif
#ifndef DISPATCHED
#define DISPATCHED true
#endif

struct Tensor {
    int64_t ne[4];
    int type;
    Tensor * src[5];
};

struct Context {
    std::deque<Tensor> tensors;
};

struct Graph {
    std::vector<Tensor *> nodes;
};

struct Record {
    uint64_t sequence;
    uint32_t kind;
    int32_t device;
    uint64_t stream, capture, thread;
    uint32_t name;
    int32_t status;
    uint64_t value[12];
};

struct InitParams {
    size_t size;
    void * buffer;
    bool no_alloc;
};

namespace {

std::vector<Record> records;
std::deque<Graph> graphs;
int here;  // its address stands for anything that is only handed back

Tensor * add(Context * context, int type, int64_t a, int64_t b, int64_t c, int64_t d) {
    context->tensors.push_back({{a, b, c, d}, type, {}});
    return &context->tensors.back();
}

[[noreturn]] void fail() {
#ifdef LAST_WORDS
    std::fprintf(stderr,
                 "CUDA error: no kernel image is available for execution on the device\n"
                 "  current device: 0, in function launch_fattn at /b/fattn-common.cuh:875\n"
                 "  cudaGetLastError()\n"
                 "/b/ggml-cuda.cu:85: CUDA error\n");
#else
    std::fprintf(stderr, "/b/ggml-cuda/fattn.cu:108: GGML_ASSERT(gqa_ratio %% 16 == 0) failed\n");
#endif
    std::abort();
}

void record(uint32_t name) {
    Record r{};
    r.kind = 1;
    r.name = name;
    r.value[0] = 142;
    r.value[1] = r.value[2] = r.value[4] = r.value[5] = 1;
    r.value[3] = 32;
    r.value[6] = 73728;
    records.push_back(r);
}

bool gate(const Tensor * node, bool dispatch) {
    const int64_t d = node->src[1]->ne[0];
    const int64_t r = node->src[0]->ne[2] / node->src[1]->ne[2];
    const int64_t t = node->src[0]->ne[1];
    const int k = node->src[1]->type;
    (void)d, (void)r, (void)t, (void)k;
    return dispatch ? (DISPATCHED) : (SUPPORTED);
}

}  // namespace

extern "C" {

void llama_backend_init(void) {}
const char * ggml_version(void) { return "0.0.1"; }
Context * ggml_init(InitParams) { return new Context; }
void ggml_free(Context * context) { delete context; }
size_t ggml_tensor_overhead(void) { return 64; }
size_t ggml_graph_overhead_custom(size_t n, bool) { return 64 * n; }
Tensor * ggml_new_tensor_4d(Context * x, int type, int64_t a, int64_t b, int64_t c, int64_t d) {
    return add(x, type, a, b, c, d);
}
Tensor * ggml_view_4d(Context * x, Tensor * of, int64_t a, int64_t b, int64_t c, int64_t d, size_t,
                      size_t, size_t, size_t) {
    return add(x, of->type, a, b, c, d);
}
Tensor * ggml_permute(Context * x, Tensor * of, int, int, int, int) {
    return add(x, of->type, of->ne[0], of->ne[2], of->ne[1], of->ne[3]);
}
Tensor * ggml_cast(Context * x, Tensor * of, int type) {
    return add(x, type, of->ne[0], of->ne[1], of->ne[2], of->ne[3]);
}
Tensor * ggml_flash_attn_ext(Context * x, Tensor * q, Tensor * k, Tensor * v, Tensor * mask, float,
                             float, float) {
    Tensor * node = add(x, 0, v->ne[0], q->ne[2], q->ne[1], q->ne[3]);
    node->src[0] = q, node->src[1] = k, node->src[2] = v, node->src[3] = mask;
    return node;
}
void ggml_flash_attn_ext_set_prec(Tensor *, int) {}
void ggml_flash_attn_ext_add_sinks(Tensor * node, Tensor * sinks) { node->src[4] = sinks; }
Graph * ggml_new_graph_custom(Context *, size_t, bool) {
    graphs.emplace_back();
    return &graphs.back();
}
void ggml_build_forward_expand(Graph * graph, Tensor * node) { graph->nodes.push_back(node); }
size_t ggml_row_size(int, int64_t n) { return static_cast<size_t>(2 * n); }
const char * ggml_type_name(int type) {
    switch (type) {
        case 0: return "f32";
        case 1: return "f16";
        case 2: return "q4_0";
        case 3: return "q4_1";
        case 6: return "q5_0";
        case 7: return "q5_1";
        case 8: return "q8_0";
        case 26: return "i32";
        case 30: return "bf16";
        default: return "none";
    }
}
void ggml_log_set(void (*)(int, const char *, void *), void *) {}
size_t ggml_backend_dev_count(void) { return 2; }
void * ggml_backend_dev_get(size_t i) { return reinterpret_cast<void *>(i + 1); }
const char * ggml_backend_dev_description(void *) { return "a card of the mind"; }
void * ggml_backend_dev_backend_reg(void * device) { return device; }
const char * ggml_backend_reg_name(void * reg) {
    return reg == reinterpret_cast<void *>(1) ? "CPU" : "CUDA";
}
bool ggml_backend_dev_supports_op(void *, Tensor * node) { return gate(node, false); }
void * ggml_backend_dev_buffer_type(void *) { return &here; }
void * ggml_backend_dev_init(void *, const char *) { return &here; }
void ggml_backend_free(void *) {}
void * ggml_backend_alloc_ctx_tensors_from_buft(Context *, void *) { return &here; }
void ggml_backend_buffer_free(void *) {}
size_t ggml_backend_buffer_get_size(void *) { return 1; }
int ggml_backend_graph_compute(void *, Graph * graph) {
    for (Tensor * node : graph->nodes) {
        if (!gate(node, true)) {
            fail();
        }
        record(1);
        record(2);
    }
    return 0;
}

int llamaproof_shadow_abi(void) { return 1; }
size_t llamaproof_shadow_drain(Record * out, size_t capacity) {
    const size_t n = records.size() < capacity ? records.size() : capacity;
    std::memcpy(out, records.data(), n * sizeof(Record));
    records.erase(records.begin(), records.begin() + static_cast<std::ptrdiff_t>(n));
    return n;
}
uint64_t llamaproof_shadow_dropped(void) { return 0; }
void llamaproof_shadow_reset(void) { records.clear(); }
void llamaproof_shadow_mark(const char *) {}
const char * llamaproof_shadow_name(uint32_t name) {
    return name == 1
               ? "_Z18flash_attn_ext_f16ILi576ELi512ELi4ELi4ELi2ELi2ELb0ELb1EEvPKcS1_S1_S1_S1_"
                 "PKiPfP6float2ffffjfiiiiiiiiiiiiiliiliiiiil"
               : "_Z25flash_attn_stream_k_fixupILi512ELi4ELi4EEvPfPK6float2iiii";
}
const char * llamaproof_shadow_demangled_name(uint32_t name) {
    return llamaproof_shadow_name(name);
}
}
