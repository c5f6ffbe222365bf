// As much of ggml as a proof asks for: tensors, a CPU backend, and a CUDA backend with one kernel.
//
// It computes FLASH_ATTN_EXT of head sizes 576/512 with f16 K and V, and nothing else. The CUDA
// backend's two gates are conditions on the GQA ratio: -DSUPPORTED='...' and -DDISPATCHED='...'.
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Of NVIDIA's crt/host_runtime.h and cuda_runtime_api.h, which are not here.
struct dim3 {
    unsigned x, y, z;
};
struct fatbin_wrapper {
    int32_t magic, version;
    const void *data, *link_inputs;
};
void ** __cudaRegisterFatBinary(void *);
void __cudaRegisterFunction(void **, const void *, char *, const char *, int, void *, void *,
                            void *, void *, int *);
int cudaMalloc(void **, size_t);
int cudaFree(void *);
int cudaMemcpy(void *, const void *, size_t, int);
int cudaGetDeviceProperties(char *, int);
int cudaLaunchKernel(const void *, struct dim3, struct dim3, void **, size_t, void *);

enum { F32 = 0, F16 = 1, ATTENTION = 1, ANY_COPY = 4, THREADS = 128 };
enum device { CPU = 1, CUDA = 2 };

struct tensor {
    int type, op;
    int64_t ne[4];
    size_t nb[4];
    struct tensor * src[5];
    float scale;
    struct tensor * view_of;
    size_t view_offset;
    char * data;
    bool on_gpu;
    struct tensor * next;
};

struct context {
    struct tensor * first;
};

struct graph {
    size_t n;
    struct tensor * nodes[];
};

struct buffer {
    bool on_gpu;
    size_t size;
    char * base;
};

struct init_params {
    size_t size;
    void * buffer;
    bool no_alloc;
};

__asm__(
    ".section .nv_fatbin,\"a\"\n.balign 8\nsmall_fatbin:\n.incbin \"device.fatbin\"\n.previous");
extern const char small_fatbin[] __attribute__((visibility("hidden")));
static const struct fatbin_wrapper wrapper = {0x466243b1, 1, small_fatbin, NULL};
static const char kernel;  // its address stands for the function of the host

__attribute__((constructor)) static void register_kernel(void) {
    void ** module = __cudaRegisterFatBinary((void *)&wrapper);
    __cudaRegisterFunction(module, &kernel, NULL, KERNEL, -1, NULL, NULL, NULL, NULL, NULL);
}

static void must(int error, const char * what) {
    if (error != 0) {
        fprintf(stderr, "CUDA error: %s returned %d\n", what, error);
        abort();
    }
}

// Types.

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

// The types that are not computed have some size, too: their tensors are described.
size_t ggml_row_size(int type, int64_t n) { return (size_t)n * (type == F32 ? 4 : 2); }

static float from_half(uint16_t half) {
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const float size = exponent == 31  ? (fraction ? NAN : INFINITY)
                       : exponent == 0 ? ldexpf((float)fraction, -24)
                                       : ldexpf((float)(fraction | 1024), exponent - 25);
    return half >> 15 ? -size : size;
}

// Rounds to the nearest, ties to even; of the values that tests quantise none is too large.
static uint16_t to_half(float value) {
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    int exponent;
    const float fraction = frexpf(fabsf(value), &exponent);  // in [0.5, 1)
    if (fraction == 0) {
        return sign;
    }
    const int shift = exponent > -14 ? 11 - exponent : 24;
    const int digits = (int)lrintf(ldexpf(fabsf(value), shift));
    return sign | (uint16_t)(exponent > -14 ? digits + ((exponent + 13) << 10) : digits);
}

size_t ggml_quantize_chunk(int type, const float * from, uint16_t * to, int64_t start, int64_t rows,
                           int64_t columns, const float * weights) {
    (void)start, (void)weights;
    if (type != F16) {
        return 0;
    }
    for (int64_t i = 0; i < rows * columns; ++i) {
        to[i] = to_half(from[i]);
    }
    return 2 * (size_t)(rows * columns);
}

// Tensors and graphs, without data.

const char * ggml_version(void) { return "0.0.1"; }
void ggml_log_set(void (*sink)(int, const char *, void *), void * user) { (void)sink, (void)user; }
size_t ggml_tensor_overhead(void) { return sizeof(struct tensor); }
size_t ggml_graph_overhead_custom(size_t n, bool gradients) { return n + gradients; }

struct context * ggml_init(struct init_params params) {
    (void)params;
    return calloc(1, sizeof(struct context));
}

void ggml_free(struct context * context) {
    while (context->first != NULL) {
        struct tensor * tensor = context->first;
        context->first = tensor->next;
        free(tensor);
    }
    free(context);
}

struct tensor * ggml_new_tensor_4d(struct context * context, int type, int64_t a, int64_t b,
                                   int64_t c, int64_t d) {
    struct tensor * tensor = calloc(1, sizeof *tensor);
    const int64_t ne[4] = {a, b, c, d};
    memcpy(tensor->ne, ne, sizeof ne);
    tensor->type = type;
    tensor->nb[0] = ggml_row_size(type, 1);
    for (int i = 1; i < 4; ++i) {
        tensor->nb[i] = tensor->nb[i - 1] * (size_t)ne[i - 1];
    }
    tensor->next = context->first;
    context->first = tensor;
    return tensor;
}

struct tensor * ggml_view_4d(struct context * context, struct tensor * of, int64_t a, int64_t b,
                             int64_t c, int64_t d, size_t nb1, size_t nb2, size_t nb3,
                             size_t offset) {
    struct tensor * view = ggml_new_tensor_4d(context, of->type, a, b, c, d);
    view->nb[1] = nb1, view->nb[2] = nb2, view->nb[3] = nb3;
    view->view_of = of;
    view->view_offset = offset;
    return view;
}

struct tensor * ggml_permute(struct context * context, struct tensor * of, int a, int b, int c,
                             int d) {
    const int axes[4] = {a, b, c, d};
    struct tensor * view = ggml_new_tensor_4d(context, of->type, 1, 1, 1, 1);
    for (int i = 0; i < 4; ++i) {
        view->ne[axes[i]] = of->ne[i];
        view->nb[axes[i]] = of->nb[i];
    }
    view->view_of = of;
    return view;
}

struct tensor * ggml_cast(struct context * context, struct tensor * of, int type) {
    return ggml_new_tensor_4d(context, type, of->ne[0], of->ne[1], of->ne[2], of->ne[3]);
}

struct tensor * ggml_flash_attn_ext(struct context * context, struct tensor * q, struct tensor * k,
                                    struct tensor * v, struct tensor * mask, float scale,
                                    float max_bias, float softcap) {
    struct tensor * node = ggml_new_tensor_4d(context, F32, v->ne[0], q->ne[2], q->ne[1], q->ne[3]);
    // What is not computed is refused by leaving no operation behind.
    node->op = max_bias == 0 && softcap == 0 && mask != NULL ? ATTENTION : 0;
    node->scale = scale;
    node->src[0] = q, node->src[1] = k, node->src[2] = v, node->src[3] = mask;
    return node;
}

void ggml_flash_attn_ext_set_prec(struct tensor * node, int precision) {
    (void)node, (void)precision;
}
void ggml_flash_attn_ext_add_sinks(struct tensor * node, struct tensor * sinks) {
    node->src[4] = sinks;
}

struct graph * ggml_new_graph_custom(struct context * context, size_t n, bool gradients) {
    (void)context, (void)gradients;
    return calloc(1, sizeof(struct graph) + n * sizeof(struct tensor *));
}
void ggml_build_forward_expand(struct graph * graph, struct tensor * node) {
    graph->nodes[graph->n++] = node;
}

size_t ggml_nbytes(const struct tensor * tensor) { return tensor->nb[3] * (size_t)tensor->ne[3]; }

// Memory.

static char * data_of(const struct tensor * tensor) {
    return tensor->view_of ? data_of(tensor->view_of) + tensor->view_offset : tensor->data;
}

struct buffer * ggml_backend_buft_alloc_buffer(enum device * type, size_t size) {
    struct buffer * buffer = calloc(1, sizeof *buffer);
    buffer->on_gpu = *type == CUDA;
    buffer->size = size;
    if (buffer->on_gpu) {
        must(cudaMalloc((void **)&buffer->base, size), "cudaMalloc");
    } else {
        buffer->base = calloc(1, size);
    }
    return buffer;
}
size_t ggml_backend_buft_get_alloc_size(enum device * type, const struct tensor * tensor) {
    (void)type;
    return ggml_nbytes(tensor);
}
void * ggml_backend_buffer_get_base(struct buffer * buffer) { return buffer->base; }
size_t ggml_backend_buffer_get_size(struct buffer * buffer) { return buffer->size; }
int ggml_backend_tensor_alloc(struct buffer * buffer, struct tensor * tensor, char * at) {
    tensor->data = at;
    tensor->on_gpu = buffer->on_gpu;
    return 0;
}
void ggml_backend_buffer_free(struct buffer * buffer) {
    if (buffer->on_gpu) {
        must(cudaFree(buffer->base), "cudaFree");
    } else {
        free(buffer->base);
    }
    free(buffer);
}

static size_t padded(const struct tensor * tensor) {
    return (ggml_nbytes(tensor) + 255) / 256 * 256;
}
static bool is_placed(const struct tensor * tensor) {
    return tensor->data != NULL || tensor->view_of != NULL;
}

struct buffer * ggml_backend_alloc_ctx_tensors_from_buft(struct context * context,
                                                         enum device * type) {
    size_t size = 0;
    for (struct tensor * tensor = context->first; tensor; tensor = tensor->next) {
        size += is_placed(tensor) ? 0 : padded(tensor);
    }
    struct buffer * buffer = ggml_backend_buft_alloc_buffer(type, size);
    size_t at = 0;
    for (struct tensor * tensor = context->first; tensor; tensor = tensor->next) {
        if (!is_placed(tensor)) {
            ggml_backend_tensor_alloc(buffer, tensor, buffer->base + at);
            at += padded(tensor);
        }
    }
    return buffer;
}

void ggml_backend_tensor_set(struct tensor * tensor, const void * from, size_t offset,
                             size_t size) {
    if (tensor->on_gpu) {
        must(cudaMemcpy(tensor->data + offset, from, size, ANY_COPY), "cudaMemcpy");
    } else {
        memcpy(tensor->data + offset, from, size);
    }
}
void ggml_backend_tensor_get(struct tensor * tensor, void * to, size_t offset, size_t size) {
    if (tensor->on_gpu) {
        must(cudaMemcpy(to, tensor->data + offset, size, ANY_COPY), "cudaMemcpy");
    } else {
        memcpy(to, tensor->data + offset, size);
    }
}

// Devices. A handle of a device, its registry, its buffer type or its stream says which it is.

static enum device devices[2] = {CPU, CUDA};

size_t ggml_backend_dev_count(void) { return 2; }
void * ggml_backend_dev_get(size_t i) { return &devices[i]; }
const char * ggml_backend_dev_name(enum device * device) {
    return *device == CPU ? "CPU" : "CUDA0";
}
const char * ggml_backend_dev_description(enum device * device) {
    // struct cudaDeviceProp of CUDA 13 is smaller than this, and begins with the card's name.
    static char properties[4096];
    if (*device == CUDA) {
        must(cudaGetDeviceProperties(properties, 0), "cudaGetDeviceProperties");
    }
    return *device == CPU ? "a small CPU" : properties;
}
void * ggml_backend_dev_backend_reg(void * device) { return device; }
const char * ggml_backend_reg_name(enum device * device) { return *device == CPU ? "CPU" : "CUDA"; }
void * ggml_backend_reg_get_proc_address(void * registry, const char * name) {
    (void)registry, (void)name;
    return NULL;
}
void * ggml_backend_dev_buffer_type(void * device) { return device; }
void * ggml_backend_dev_init(void * device, const char * settings) {
    (void)settings;
    return device;
}
void ggml_backend_free(void * stream) { (void)stream; }
void ggml_backend_synchronize(void * stream) { (void)stream; }

static int64_t ratio_of(const struct tensor * node) {
    return node->src[0]->ne[2] / node->src[1]->ne[2];
}

bool ggml_backend_dev_supports_op(enum device * device, const struct tensor * node) {
    const struct tensor *k = node->src[1], *v = node->src[2];
    const int64_t r = ratio_of(node);
    (void)r;
    return node->op == ATTENTION && node->src[4] == NULL && k->type == F16 && v->type == F16 &&
           k->ne[0] == 576 && v->ne[0] == 512 && (*device == CPU || (SUPPORTED));
}

// Attention.

static float half_at(const struct tensor * tensor, int64_t a, int64_t b, int64_t c) {
    const char * data = data_of(tensor) + (size_t)a * tensor->nb[0] + (size_t)b * tensor->nb[1] +
                        (size_t)c * tensor->nb[2];
    return from_half(*(const uint16_t *)data);
}

static void attend_row(const struct tensor * node, int64_t token, int64_t head, double * scores) {
    const struct tensor *q = node->src[0], *k = node->src[1], *v = node->src[2];
    const int64_t n_kv = k->ne[1], group = head / ratio_of(node);
    const float * row =
        (const float *)(data_of(q) + (size_t)token * q->nb[1] + (size_t)head * q->nb[2]);
    double most = -INFINITY, all = 0;
    for (int64_t i = 0; i < n_kv; ++i) {
        double sum = 0;
        for (int64_t j = 0; j < k->ne[0]; ++j) {
            sum += (double)row[j] * half_at(k, j, i, group);
        }
        scores[i] = sum * node->scale + half_at(node->src[3], i, token, 0);
        most = fmax(most, scores[i]);
    }
    for (int64_t i = 0; i < n_kv; ++i) {
        scores[i] = exp(scores[i] - most);
        all += scores[i];
    }
    float * out = (float *)node->data + (token * node->ne[1] + head) * node->ne[0];
    for (int64_t j = 0; j < v->ne[0]; ++j) {
        double sum = 0;
        for (int64_t i = 0; i < n_kv; ++i) {
            sum += scores[i] * half_at(v, j, i, group);
        }
        out[j] = (float)(sum / all);
    }
}

static void attend(const struct tensor * node) {
    double * scores = calloc((size_t)node->src[1]->ne[1], sizeof *scores);
    for (int64_t token = 0; token < node->ne[2]; ++token) {
        for (int64_t head = 0; head < node->ne[1]; ++head) {
            attend_row(node, token, head, scores);
        }
    }
    free(scores);
}

static void launch(const struct tensor * node) {
    const int64_t r = ratio_of(node);
    if (!(DISPATCHED)) {
        fprintf(stderr, "/b/ggml-cuda/fattn.cu:108: GGML_ASSERT(gqa_ratio %% 16 == 0) failed\n");
        abort();
    }
    const struct tensor *q = node->src[0], *k = node->src[1], *v = node->src[2];
    const struct tensor * mask = node->src[3];
    const unsigned heads = (unsigned)node->ne[1], tokens = (unsigned)node->ne[2];
    uint32_t dk = (uint32_t)k->ne[0], dv = (uint32_t)v->ne[0], n_kv = (uint32_t)k->ne[1];
    uint32_t ratio = (uint32_t)r;
    char * data[5] = {data_of(q), data_of(k), data_of(v), data_of(mask), data_of(node)};
    uint64_t strides[7] = {q->nb[1], q->nb[2], k->nb[1], k->nb[2], v->nb[1], v->nb[2], mask->nb[1]};
    float scale = node->scale;
    void * scores;
    must(cudaMalloc(&scores, (size_t)heads * tokens * n_kv * sizeof(float)), "cudaMalloc");
    void * arguments[] = {&data[0],    &data[1],    &data[2],    &data[3],    &data[4],
                          &scores,     &dk,         &dv,         &n_kv,       &ratio,
                          &strides[0], &strides[1], &strides[2], &strides[3], &strides[4],
                          &strides[5], &strides[6], &scale};
    const struct dim3 grid = {heads, tokens, 1}, block = {THREADS, 1, 1};
    must(cudaLaunchKernel(&kernel, grid, block, arguments, 0, NULL), "cudaLaunchKernel");
    must(cudaFree(scores), "cudaFree");
}

int ggml_backend_graph_compute(enum device * stream, struct graph * graph) {
    for (size_t i = 0; i < graph->n; ++i) {
        (*stream == CPU ? attend : launch)(graph->nodes[i]);
    }
    return 0;
}

// For the toy's libllama, which needs a function of this library.
int toy_gpu(void) { return 0; }
