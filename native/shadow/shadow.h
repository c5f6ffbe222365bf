/* What libllamaproof_shadow.so tells: the records of a run, and memory in use.
 *
 * All functions may be called from any thread. */
#ifndef LLAMAPROOF_SHADOW_H
#define LLAMAPROOF_SHADOW_H

#include <stddef.h>
#include <stdint.h>

#define LLAMAPROOF_SHADOW_ABI 1

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

enum llamaproof_record_kind {
    /* value: grid x y z, block x y z, dynamic shared bytes, static shared bytes, registers,
     * llamaproof_launch_flag, cluster x | y << 16 | z << 32, blocks resident on a multiprocessor */
    LLAMAPROOF_RECORD_LAUNCH = 1,
    /* value: destination, source, bytes a row, rows, enum llamaproof_copy_direction, peer device.
     * The rows of a copy in three dimensions are those of all its slices. */
    LLAMAPROOF_RECORD_COPY = 2,
    /* value: destination, bytes a row, rows, byte value */
    LLAMAPROOF_RECORD_SET = 3,
    /* value: address, bytes asked for, bytes charged to the device, enum llamaproof_memory_kind */
    LLAMAPROOF_RECORD_ALLOCATE = 4,
    LLAMAPROOF_RECORD_FREE = 5,
    LLAMAPROOF_RECORD_CAPTURE_BEGIN = 6,
    /* value: nodes, kernel nodes */
    LLAMAPROOF_RECORD_CAPTURE_END = 7,
    /* value: executable graph, nodes, kernel nodes; `capture` says which graph it was made of */
    LLAMAPROOF_RECORD_GRAPH_INSTANTIATE = 8,
    LLAMAPROOF_RECORD_GRAPH_UPDATE = 9,
    LLAMAPROOF_RECORD_GRAPH_LAUNCH = 10,
    /* A cuBLAS call. value: m, n, k, batch count, types of A, B, C and compute type (NVIDIA's
     * enumerators), transposition of A and B, lda | ldb << 32, ldc */
    LLAMAPROOF_RECORD_LIBRARY_CALL = 11,
    /* A label the reader of the records set; the name is the label. */
    LLAMAPROOF_RECORD_MARK = 12,
    /* A call that did not succeed; `status` says how. */
    LLAMAPROOF_RECORD_REFUSED = 13
};

enum llamaproof_launch_flag {
    LLAMAPROOF_LAUNCH_COOPERATIVE = 1,
    LLAMAPROOF_LAUNCH_PROGRAMMATIC = 2, /* may start before the kernel in front of it ends */
    LLAMAPROOF_LAUNCH_FROM_PTX = 4, /* no machine code for this sm: the driver would compile PTX */
    LLAMAPROOF_LAUNCH_ESTIMATED = 8 /* registers are an estimate, see llamaproof.shadow.index */
};

enum llamaproof_copy_direction {
    LLAMAPROOF_COPY_HOST_TO_HOST = 0,
    LLAMAPROOF_COPY_HOST_TO_DEVICE = 1,
    LLAMAPROOF_COPY_DEVICE_TO_HOST = 2,
    LLAMAPROOF_COPY_DEVICE_TO_DEVICE = 3,
    LLAMAPROOF_COPY_PEER = 4
};

enum llamaproof_memory_kind {
    LLAMAPROOF_MEMORY_DEVICE = 1,
    LLAMAPROOF_MEMORY_PINNED = 2,
    LLAMAPROOF_MEMORY_REGISTERED = 3,
    LLAMAPROOF_MEMORY_MANAGED = 4,
    LLAMAPROOF_MEMORY_PHYSICAL = 5 /* cuMemCreate: charged, without an address */
};

typedef struct llamaproof_record {
    uint64_t sequence; /* from 1, in the order of the calls */
    uint32_t kind;
    int32_t device;   /* -1: none */
    uint64_t stream;  /* 0: the default stream */
    uint64_t capture; /* the graph being captured; 0: the call took effect at once */
    uint64_t thread;
    uint32_t name;  /* of the kernel or call, see llamaproof_shadow_name */
    int32_t status; /* cudaError_t, CUresult or cublasStatus_t */
    uint64_t value[12];
} llamaproof_record;

/* LLAMAPROOF_SHADOW_ABI as the library was compiled with. */
int llamaproof_shadow_abi(void);

/* Move the oldest records out, at most `capacity`; returns how many there were. */
size_t llamaproof_shadow_drain(llamaproof_record * records, size_t capacity);

/* Records that found no room since the last reset: read and set aside more often. */
uint64_t llamaproof_shadow_dropped(void);

/* Forget all records; the peaks start again from what is in use now. */
void llamaproof_shadow_reset(void);

/* What the host reads from device memory in record mode: 32-bit words that count 0, 1, ... up to
 * `modulus` - 1, over and over, from the start of each row that is copied. 1, as it is at first,
 * means zeros. Programs that let the host act on what the device chose need more: llama.cpp sorts
 * tokens by the experts chosen for them, which have to be different ones for one token. Returns 0,
 * or 1 for a modulus of 0. */
int llamaproof_shadow_read_back(uint32_t modulus);

/* Put a label among the records. */
void llamaproof_shadow_mark(const char * label);

/* The name a record carries; NULL for a number that was never given out. Lives as long as the
 * process. */
const char * llamaproof_shadow_name(uint32_t name);

/* The same, demangled. */
const char * llamaproof_shadow_demangled_name(uint32_t name);

int llamaproof_shadow_device_count(void);

/* Bytes charged to a device now, at most since the last reset, and in all. Device -1 is pinned
 * host memory (total 0: no limit is known). Returns 0, or 1 for a device that is not there. */
int llamaproof_shadow_memory(int device, uint64_t * current, uint64_t * peak, uint64_t * total);

/* What is known of a kernel on a device. Returns 0, or 1 when it has no code there. */
typedef struct llamaproof_kernel_figures {
    uint32_t registers;
    uint32_t static_shared_bytes;
    uint32_t local_bytes;
    uint32_t max_threads;
    uint32_t flags; /* llamaproof_launch_flag */
    uint32_t code_sm;
} llamaproof_kernel_figures;
int llamaproof_shadow_kernel(const char * kernel, int device, llamaproof_kernel_figures * figures);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
