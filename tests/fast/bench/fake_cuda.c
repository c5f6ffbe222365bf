/* A driver whose device does nothing and whose clock is the number of events recorded so far. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int CUdevice;
typedef struct { int when; } *CUevent;
typedef struct { int queued; } *CUstream;

static int context_is_current = 0;
static int now = 0;
static int alive = 0;

int fake_alive(void) { return alive; }

int cuInit(unsigned flags) { return flags == 0 ? 0 : 1; }

int cuDeviceGet(CUdevice *device, int ordinal) {
    if (ordinal != 0) return 101;
    *device = 77;
    return 0;
}

int cuDeviceGetName(char *name, int length, CUdevice device) {
    if (device != 77) return 101;
    snprintf(name, (size_t)length, "Fake GPU");
    return 0;
}

int cuDeviceGetPCIBusId(char *id, int length, CUdevice device) {
    if (device != 77) return 101;
    snprintf(id, (size_t)length, "0000:65:00.0");
    return 0;
}

int cuDriverGetVersion(int *version) {
    *version = 13000;
    return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
    if (device != 77) return 101;
    *value = attribute == 16 ? 132 : attribute == 38 ? 62914560 : attribute == 75 ? 9 : 0;
    return 0;
}

int cuDevicePrimaryCtxRetain(void **context, CUdevice device) {
    *context = (void *)0x5151;
    return device == 77 ? 0 : 101;
}

int cuCtxSetCurrent(void *context) {
    context_is_current = context == (void *)0x5151;
    return context_is_current ? 0 : 201;
}

int cuEventCreate(CUevent *event, unsigned flags) {
    if (!context_is_current) return 201;
    *event = calloc(1, sizeof **event);
    ++alive;
    return (int)flags;
}

int cuEventDestroy_v2(CUevent event) {
    free(event);
    --alive;
    return 0;
}

int cuEventRecord(CUevent event, CUstream stream) {
    now += stream->queued;
    stream->queued = 0;
    event->when = now;
    return 0;
}

int cuEventSynchronize(CUevent event) { return event ? 0 : 400; }

int cuEventElapsedTime(float *milliseconds, CUevent first, CUevent second) {
    *milliseconds = (float)(second->when - first->when);
    return 0;
}

int cuStreamCreate(CUstream *stream, unsigned flags) {
    *stream = calloc(1, sizeof **stream);
    ++alive;
    return flags == 1 ? 0 : 1;
}

int cuStreamDestroy_v2(CUstream stream) {
    free(stream);
    --alive;
    return 0;
}

int cuMemAlloc_v2(uint64_t *address, size_t size) {
    if (size > ((size_t)64 << 30)) return 2;
    *address = (uint64_t)malloc(16);
    ++alive;
    return 0;
}

int cuMemFree_v2(uint64_t address) {
    free((void *)address);
    --alive;
    return 0;
}

int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t size) {
    memcpy((void *)to, from, size < 16 ? size : 16);
    return 0;
}

int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t size, CUstream stream) {
    memcpy((void *)to, (void *)from, 16);
    stream->queued += (int)(size >> 30); /* a millisecond for each GiB */
    return 0;
}

int cuGetErrorString(int status, const char **text) {
    *text = status == 2 ? "out of memory" : "some error";
    return 0;
}
