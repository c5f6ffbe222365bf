// The functions of shadow.h.

#include "core/runtime.h"

int llamaproof_shadow_abi() { return LLAMAPROOF_SHADOW_ABI; }

std::size_t llamaproof_shadow_drain(llamaproof_record * records, std::size_t capacity) {
    return shadow::Runtime::get().drain(records, capacity);
}

std::uint64_t llamaproof_shadow_dropped() { return shadow::Runtime::get().dropped(); }

void llamaproof_shadow_reset() { shadow::Runtime::get().reset(); }

int llamaproof_shadow_read_back(std::uint32_t modulus) {
    if (modulus == 0) {
        return 1;
    }
    shadow::Runtime::get().read_back(modulus);
    return 0;
}

void llamaproof_shadow_mark(const char * label) { shadow::Runtime::get().mark(label); }

const char * llamaproof_shadow_name(std::uint32_t name) {
    return shadow::Runtime::get().name(name);
}

const char * llamaproof_shadow_demangled_name(std::uint32_t name) {
    return shadow::Runtime::get().demangled(name);
}

int llamaproof_shadow_device_count() { return shadow::Runtime::get().device_count(); }

int llamaproof_shadow_memory(int device, std::uint64_t * current, std::uint64_t * peak,
                             std::uint64_t * total) {
    return shadow::Runtime::get().usage(device, current, peak, total) ? 0 : 1;
}

int llamaproof_shadow_kernel(const char * kernel, int device, llamaproof_kernel_figures * figures) {
    return shadow::Runtime::get().kernel_figures(kernel, device, figures) ? 0 : 1;
}
