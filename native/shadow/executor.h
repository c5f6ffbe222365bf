/* What the shadow runtime asks of a library that executes kernels (libllamaproof_emulator.so).
 *
 * Where the session file says `mode execute`, the shadow runtime keeps what device memory holds,
 * carries copies, memsets and cuBLAS calls out itself, and opens the executor with dlopen when it
 * starts: the file the session names, else libllamaproof_emulator.so beside
 * libllamaproof_shadow.so. The executor exports the four functions declared below.
 *
 * Device addresses are host addresses: an executor may load and store through them directly, within
 * the ranges it was told of. Calls come from whatever thread the program used, one at a time: the
 * shadow runtime serialises them. Every call returns only when its work is done, so streams and
 * events need no attention.
 */
#ifndef LLAMAPROOF_SHADOW_EXECUTOR_H
#define LLAMAPROOF_SHADOW_EXECUTOR_H

#include <stdint.h>

#define LLAMAPROOF_EXECUTOR_ABI 1

#ifdef __cplusplus
extern "C" {
#endif

/* A kernel parameter in the parameter block, in bytes. */
typedef struct llamaproof_parameter {
    uint32_t offset;
    uint32_t size;
} llamaproof_parameter;

/* The device a launch runs on. */
typedef struct llamaproof_device {
    int32_t ordinal;
    int32_t sm; /* 89 is compute capability 8.9 */
    int32_t multiprocessors;
    int32_t warp_size;
    uint64_t shared_bytes_per_block_optin;
    uint64_t shared_bytes_per_multiprocessor;
    uint64_t l2_bytes;
    const char * name;
} llamaproof_device;

/* One launch, already checked against the device's limits. Strings and arrays live until the
 * library that brought the kernel is unloaded; `parameter_block` only during the call. */
typedef struct llamaproof_launch {
    uint64_t sequence;    /* that of the launch's record, or of the graph launch that repeats it */
    const char * kernel;  /* mangled name, as the .entry directive has it */
    const char * library; /* path of the library that registered it */
    const char *
        ptx_path;   /* file with its translation unit's PTX, decompressed; NULL: none runs here */
    int32_t ptx_sm; /* the PTX's own .target: 75, 80, ...; 0 without PTX */
    const llamaproof_device * device;
    uint64_t stream;
    uint32_t grid[3];
    uint32_t block[3];
    uint32_t cluster[3];  /* 1, 1, 1 unless asked for */
    uint32_t cooperative; /* 1: every block must be resident, grid-wide barriers are allowed */
    uint64_t dynamic_shared_bytes;
    uint64_t static_shared_bytes;
    uint32_t registers; /* per thread; 0: not known, for a kernel that has only PTX here */
    uint32_t parameter_count;
    const llamaproof_parameter * parameters;
    const void * parameter_block; /* as .param space lays it out */
    uint64_t parameter_bytes;
} llamaproof_launch;

/* What happened to memory outside of kernels. */
enum llamaproof_memory_event_kind {
    LLAMAPROOF_MEMORY_ALLOCATED = 1, /* [address, +bytes) is device memory from now on, undefined */
    LLAMAPROOF_MEMORY_FREED = 2,
    LLAMAPROOF_MEMORY_WRITTEN = 3,      /* defined from now on: from the host, a memset, cuBLAS */
    LLAMAPROOF_MEMORY_COPIED = 4,       /* from `source`: as defined as that is */
    LLAMAPROOF_MEMORY_READ = 5,         /* by the host or cuBLAS, before it is read */
    LLAMAPROOF_MEMORY_HOST_VISIBLE = 6, /* pinned, registered or managed: kernels may use it, all
                                           of it counts as defined */
    LLAMAPROOF_MEMORY_HOST_GONE = 7
};

/* COPIED, WRITTEN and READ of pitched memory come as one event a row. */
typedef struct llamaproof_memory_event {
    int32_t kind;
    int32_t device; /* -1 for host memory */
    uint64_t address;
    uint64_t bytes;
    uint64_t source;   /* of COPIED */
    const char * call; /* cudaMalloc, cublasGemmEx, ... */
} llamaproof_memory_event;

/* LLAMAPROOF_EXECUTOR_ABI as the executor was compiled with. */
int llamaproof_executor_abi(void);

void llamaproof_executor_memory(const llamaproof_memory_event * event);

/* Carry a launch out. Returns 0; anything else makes the program see cudaErrorLaunchFailure (719)
 * on this call and on every later one, as after a fault on a real device. */
int llamaproof_executor_launch(const llamaproof_launch * launch);

/* Why the last launch did not succeed, in words; valid until the next call. */
const char * llamaproof_executor_message(void);

#ifdef __cplusplus
}
#endif

#endif
