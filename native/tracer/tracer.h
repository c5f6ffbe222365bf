/* What libllamaproof_tracer.so tells: the kernel launches of this process.
 *
 * The library has to be in LD_PRELOAD. Its definitions carry no version node, and the dynamic
 * loader takes such a definition for a reference to any version when it comes first in the lookup
 * scope; every call is passed on to the one libcudart that the process has loaded.
 *
 * All functions may be called from any thread. */
#ifndef LLAMAPROOF_TRACER_H
#define LLAMAPROOF_TRACER_H

#include <stddef.h>
#include <stdint.h>

#define LLAMAPROOF_TRACER_ABI 1

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

/* A launch that the runtime accepted. */
typedef struct llamaproof_traced_launch {
    /* Mangled; empty when the kernel was never registered. Lives as long as the process. */
    const char * kernel;
    uint64_t dynamic_shared; /* bytes */
    uint32_t grid[3];
    uint32_t block[3];
} llamaproof_traced_launch;

/* LLAMAPROOF_TRACER_ABI as the library was compiled with. */
int llamaproof_tracer_abi(void);

/* Forget all launches. */
void llamaproof_tracer_reset(void);

/* Move the oldest launches out, at most `capacity`; returns how many there were. */
size_t llamaproof_tracer_drain(llamaproof_traced_launch * launches, size_t capacity);

/* Launches that found no room since the last reset. */
uint64_t llamaproof_tracer_dropped(void);

/* The file of the runtime that calls are passed on to; NULL when none is loaded, or several. */
const char * llamaproof_tracer_runtime(void);

/* Compute capability of a device as one number, 89 for 8.9; initialises the driver. 0 when the
 * runtime does not say. */
int llamaproof_tracer_sm(int device);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
