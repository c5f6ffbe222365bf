/* The PTX emulator's own C interface: modules of PTX text, kernels, memory, launches and what they
 * found.
 *
 * Addresses on the device are addresses of this process unless a region says otherwise. No function
 * is safe to call from two threads at once on one emulator. Functions that can fail return 0 on
 * success and leave the reason in llamaproof_emulator_error(). Structures carry their size first,
 * so that fields can be added at the end. */
#ifndef LLAMAPROOF_EMULATOR_H
#define LLAMAPROOF_EMULATOR_H

#include <stddef.h>
#include <stdint.h>

#define LLAMAPROOF_EMULATOR_ABI 2

#ifdef __cplusplus
extern "C" {
#endif

typedef struct llamaproof_emulator llamaproof_emulator;

typedef struct llamaproof_emulator_kernel {
    uint64_t struct_bytes;
    uint32_t module;
    uint32_t parameter_count;
    uint32_t parameter_bytes;
    uint32_t static_shared_bytes;
    uint32_t dynamic_shared_offset; /* where the dynamic part begins */
    uint32_t local_bytes;           /* per thread */
    uint32_t register_bytes;        /* of the emulator's register file, per warp */
    uint32_t instructions;
    uint32_t max_threads; /* .maxntid, 0 where not given */
    uint32_t ordered;     /* 1: global atomics whose result depends on the order of blocks */
} llamaproof_emulator_kernel;

typedef struct llamaproof_emulator_launch {
    uint64_t struct_bytes;
    uint32_t grid[3];
    uint32_t block[3];
    uint64_t dynamic_shared_bytes;
    const void * parameters;
    uint64_t parameter_bytes;
    uint64_t instruction_limit; /* warp instructions of one block after which the launch stops; 0:
                                   none */
    uint32_t threads;           /* host threads; the results do not depend on it */
    uint32_t check; /* 0 leaves out races, undefined reads, sectors and bank conflicts */
} llamaproof_emulator_launch;

typedef struct llamaproof_emulator_finding {
    uint64_t struct_bytes;
    int32_t kind; /* its place in findings.def, from 1 on */
    int32_t line; /* of the PTX text */
    uint32_t block[3];
    uint32_t thread[3];
    uint64_t address;
    uint64_t count; /* occurrences of this kind at this instruction */
    const char * instruction;
    const char * detail;
} llamaproof_emulator_finding;

int llamaproof_emulator_abi(void);

/* The names in counts.def and findings.def, from index 0 on in their order; "" beyond the last. */
const char * llamaproof_emulator_class_name(uint32_t index);
const char * llamaproof_emulator_count_name(uint32_t index);
const char * llamaproof_emulator_finding_name(uint32_t index);

llamaproof_emulator * llamaproof_emulator_create(void);
void llamaproof_emulator_destroy(llamaproof_emulator * emulator);
const char * llamaproof_emulator_error(const llamaproof_emulator * emulator);

int llamaproof_emulator_load(llamaproof_emulator * emulator, const char * text, uint64_t bytes,
                             uint32_t * module);
int llamaproof_emulator_unload(llamaproof_emulator * emulator, uint32_t module);
/* Names of the module's kernels, each ended by a newline; valid until the next call. */
const char * llamaproof_emulator_kernels(llamaproof_emulator * emulator, uint32_t module);
/* Parses and decodes the kernel, once. */
int llamaproof_emulator_kernel_info(llamaproof_emulator * emulator, uint32_t module,
                                    const char * name, llamaproof_emulator_kernel * info);
int llamaproof_emulator_parameter(llamaproof_emulator * emulator, uint32_t module,
                                  const char * name, uint32_t index, uint32_t * offset,
                                  uint32_t * bytes);
int llamaproof_emulator_symbol(llamaproof_emulator * emulator, uint32_t module, const char * name,
                               uint64_t * address, uint64_t * bytes);

/* `host` holds the bytes at device address `address`. */
int llamaproof_emulator_add_memory(llamaproof_emulator * emulator, uint64_t address, uint64_t bytes,
                                   void * host, int written);
int llamaproof_emulator_remove_memory(llamaproof_emulator * emulator, uint64_t address);
int llamaproof_emulator_mark(llamaproof_emulator * emulator, uint64_t address, uint64_t bytes,
                             int written);

int llamaproof_emulator_launch_kernel(llamaproof_emulator * emulator, uint32_t module,
                                      const char * name, const llamaproof_emulator_launch * launch);
/* Of the last launch: counts by the index of their name, findings by number. */
uint64_t llamaproof_emulator_class_count(const llamaproof_emulator * emulator, uint32_t index);
uint64_t llamaproof_emulator_count(const llamaproof_emulator * emulator, uint32_t index);
/* Time of this host, which differs from run to run. */
double llamaproof_emulator_seconds(const llamaproof_emulator * emulator);
uint32_t llamaproof_emulator_finding_count(const llamaproof_emulator * emulator);
int llamaproof_emulator_finding_at(const llamaproof_emulator * emulator, uint32_t index,
                                   llamaproof_emulator_finding * finding);
const char * llamaproof_emulator_printed(const llamaproof_emulator * emulator);
/* The opcodes executed most, one a line: times, PTX opcode; valid until the next call. */
const char * llamaproof_emulator_profile(llamaproof_emulator * emulator);

#ifdef __cplusplus
}
#endif

#endif
