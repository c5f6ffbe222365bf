// The C interface of include/llamaproof/emulator.h.

#include "llamaproof/emulator.h"

#include <algorithm>
#include <new>

#include "emulator.h"

#define LLAMAPROOF_EXPORT __attribute__((visibility("default")))

using namespace llamaproof::emulator;

struct llamaproof_emulator {
    Emulator emulator;
    LaunchResult result;
    Launch launch;  // the last one, for positions
    std::string error;
    std::string text;
};

namespace {

template <class F> int guarded(llamaproof_emulator * emulator, F && work) {
    try {
        emulator->error.clear();
        work();
        return 0;
    } catch (const std::bad_alloc &) {
        emulator->error = "out of memory";
    } catch (const std::exception & error) {
        emulator->error = llamaproof::emulator::words_of(error);
    }
    return 1;
}

template <class T> void need_size(const T * given) {
    if (given == nullptr || given->struct_bytes < sizeof(T)) {
        throw Stop("a structure of another version of this interface");
    }
}

constexpr const char * finding_names[] = {
#define LLAMAPROOF_FINDING(name) #name,
#include "llamaproof/findings.def"
};

void put(uint32_t (&to)[3], const Dim3 & position) {
    to[0] = position.x;
    to[1] = position.y;
    to[2] = position.z;
}

}  // namespace

extern "C" {

LLAMAPROOF_EXPORT int llamaproof_emulator_abi(void) { return LLAMAPROOF_EMULATOR_ABI; }

LLAMAPROOF_EXPORT const char * llamaproof_emulator_class_name(uint32_t index) {
    return index < class_count ? class_names[index] : "";
}

LLAMAPROOF_EXPORT const char * llamaproof_emulator_count_name(uint32_t index) {
    return index < std::size(named_counts) ? named_counts[index].name : "";
}

LLAMAPROOF_EXPORT const char * llamaproof_emulator_finding_name(uint32_t index) {
    return index < std::size(finding_names) ? finding_names[index] : "";
}

LLAMAPROOF_EXPORT llamaproof_emulator * llamaproof_emulator_create(void) {
    return new (std::nothrow) llamaproof_emulator();
}

LLAMAPROOF_EXPORT void llamaproof_emulator_destroy(llamaproof_emulator * emulator) {
    delete emulator;
}

LLAMAPROOF_EXPORT const char * llamaproof_emulator_error(const llamaproof_emulator * emulator) {
    return emulator->error.c_str();
}

LLAMAPROOF_EXPORT int llamaproof_emulator_load(llamaproof_emulator * emulator, const char * text,
                                               uint64_t bytes, uint32_t * module) {
    return guarded(emulator, [&] { *module = emulator->emulator.load(std::string(text, bytes)); });
}

LLAMAPROOF_EXPORT int llamaproof_emulator_unload(llamaproof_emulator * emulator, uint32_t module) {
    return guarded(emulator, [&] {
        emulator->result = {};
        emulator->launch = {};
        emulator->emulator.unload(module);
    });
}

LLAMAPROOF_EXPORT const char * llamaproof_emulator_kernels(llamaproof_emulator * emulator,
                                                           uint32_t module) {
    const int failed =
        guarded(emulator, [&] { emulator->text = emulator->emulator.kernel_names(module); });
    return failed ? "" : emulator->text.c_str();
}

LLAMAPROOF_EXPORT int llamaproof_emulator_kernel_info(llamaproof_emulator * emulator,
                                                      uint32_t module, const char * name,
                                                      llamaproof_emulator_kernel * info) {
    return guarded(emulator, [&] {
        need_size(info);
        const Kernel & kernel = emulator->emulator.kernel(module, name);
        info->module = module;
        info->parameter_count = static_cast<uint32_t>(kernel.params.size());
        info->parameter_bytes = kernel.param_bytes;
        info->static_shared_bytes = kernel.static_shared;
        info->dynamic_shared_offset = kernel.dynamic_shared_at;
        info->local_bytes = kernel.local_bytes;
        info->register_bytes = kernel.register_bytes;
        info->instructions = static_cast<uint32_t>(kernel.code.size());
        info->max_threads = static_cast<uint32_t>(kernel.max_threads);
        info->ordered = kernel.ordered_atomics ? 1 : 0;
    });
}

LLAMAPROOF_EXPORT int llamaproof_emulator_parameter(llamaproof_emulator * emulator, uint32_t module,
                                                    const char * name, uint32_t index,
                                                    uint32_t * offset, uint32_t * bytes) {
    return guarded(emulator, [&] {
        const Kernel & kernel = emulator->emulator.kernel(module, name);
        if (index >= kernel.params.size()) {
            throw Stop("the kernel has " + std::to_string(kernel.params.size()) + " parameters");
        }
        *offset = kernel.params[index].offset;
        *bytes = kernel.params[index].size;
    });
}

LLAMAPROOF_EXPORT int llamaproof_emulator_symbol(llamaproof_emulator * emulator, uint32_t module,
                                                 const char * name, uint64_t * address,
                                                 uint64_t * bytes) {
    return guarded(emulator, [&] {
        const auto & allocation = emulator->emulator.symbol(module, name);
        *address = allocation.base;
        *bytes = allocation.size;
    });
}

LLAMAPROOF_EXPORT int llamaproof_emulator_add_memory(llamaproof_emulator * emulator,
                                                     uint64_t address, uint64_t bytes, void * host,
                                                     int written) {
    return guarded(emulator, [&] {
        emulator->emulator.memory().add(address, bytes, static_cast<uint8_t *>(host), written != 0);
    });
}

LLAMAPROOF_EXPORT int llamaproof_emulator_remove_memory(llamaproof_emulator * emulator,
                                                        uint64_t address) {
    return guarded(emulator, [&] { emulator->emulator.memory().remove(address); });
}

LLAMAPROOF_EXPORT int llamaproof_emulator_mark(llamaproof_emulator * emulator, uint64_t address,
                                               uint64_t bytes, int written) {
    return guarded(emulator,
                   [&] { emulator->emulator.memory().mark(address, bytes, written != 0); });
}

LLAMAPROOF_EXPORT int llamaproof_emulator_launch_kernel(
    llamaproof_emulator * emulator, uint32_t module, const char * name,
    const llamaproof_emulator_launch * request) {
    return guarded(emulator, [&] {
        need_size(request);
        emulator->result = {};
        Launch launch;
        launch.kernel = &emulator->emulator.kernel(module, name);
        launch.grid = {request->grid[0], request->grid[1], request->grid[2]};
        launch.block = {request->block[0], request->block[1], request->block[2]};
        if (request->dynamic_shared_bytes > (1u << 20)) {
            throw Stop("more than 1 MiB of shared memory");
        }
        launch.dynamic_shared = static_cast<uint32_t>(request->dynamic_shared_bytes);
        const auto * parameters = static_cast<const uint8_t *>(request->parameters);
        if (request->parameter_bytes != 0) {
            launch.params.assign(parameters, parameters + request->parameter_bytes);
        }
        launch.threads = static_cast<int>(std::min<uint32_t>(request->threads, 256));
        launch.check = request->check != 0;
        launch.instruction_limit = request->instruction_limit;
        emulator->launch = launch;
        emulator->result = emulator->emulator.run(launch);
    });
}

LLAMAPROOF_EXPORT uint64_t llamaproof_emulator_class_count(const llamaproof_emulator * emulator,
                                                           uint32_t index) {
    return index < class_count ? emulator->result.counts.by_class[index] : 0;
}

LLAMAPROOF_EXPORT uint64_t llamaproof_emulator_count(const llamaproof_emulator * emulator,
                                                     uint32_t index) {
    return index < std::size(named_counts) ? emulator->result.counts.*named_counts[index].value : 0;
}

LLAMAPROOF_EXPORT double llamaproof_emulator_seconds(const llamaproof_emulator * emulator) {
    return emulator->result.seconds;
}

LLAMAPROOF_EXPORT uint32_t llamaproof_emulator_finding_count(const llamaproof_emulator * emulator) {
    return static_cast<uint32_t>(emulator->result.findings.size());
}

LLAMAPROOF_EXPORT int llamaproof_emulator_finding_at(const llamaproof_emulator * emulator,
                                                     uint32_t index,
                                                     llamaproof_emulator_finding * finding) {
    if (index >= emulator->result.findings.size() || finding == nullptr ||
        finding->struct_bytes < sizeof *finding) {
        return 1;
    }
    const Finding & from = emulator->result.findings[index];
    finding->kind = static_cast<int32_t>(from.kind);
    finding->line = from.line;
    put(finding->block, emulator->launch.grid.at(from.block));
    put(finding->thread, emulator->launch.block.at(from.thread));
    finding->address = from.address;
    finding->count = from.count;
    finding->instruction = emulator->launch.kernel->text[from.pc].c_str();
    finding->detail = from.detail.c_str();
    return 0;
}

LLAMAPROOF_EXPORT const char * llamaproof_emulator_printed(const llamaproof_emulator * emulator) {
    return emulator->result.printed.c_str();
}

LLAMAPROOF_EXPORT const char * llamaproof_emulator_profile(llamaproof_emulator * emulator) {
    std::map<std::string, uint64_t> times;
    for (size_t pc = 0; pc < emulator->result.executed.size(); ++pc) {
        if (emulator->result.executed[pc] != 0) {
            times[emulator->launch.kernel->text[pc]] += emulator->result.executed[pc];
        }
    }
    std::vector<std::pair<uint64_t, std::string>> sorted;
    for (const auto & entry : times) sorted.emplace_back(entry.second, entry.first);
    std::sort(sorted.rbegin(), sorted.rend());
    emulator->text.clear();
    for (const auto & entry : sorted) {
        emulator->text += std::to_string(entry.first) + " " + entry.second + "\n";
    }
    return emulator->text.c_str();
}

}  // extern "C"
