#include "emulator.h"

#include <algorithm>

namespace llamaproof::emulator {

namespace {

// Module variables are placed at addresses aligned to this; no .align in use goes beyond it.
constexpr size_t variable_alignment = 256;

}  // namespace

std::string words_of(const std::exception & error) {
    if (const auto * ptx = dynamic_cast<const ptx::Error *>(&error)) {
        return "PTX line " + std::to_string(ptx->line()) + ": " + ptx->what();
    }
    return error.what();
}

Emulator::Loaded & Emulator::loaded(uint32_t module) {
    const auto found = modules_.find(module);
    if (found == modules_.end()) throw Stop("no such module");
    return found->second;
}

const Emulator::Loaded & Emulator::loaded(uint32_t module) const {
    const auto found = modules_.find(module);
    if (found == modules_.end()) throw Stop("no such module");
    return found->second;
}

uint32_t Emulator::load(std::string text) {
    Loaded fresh;
    fresh.module = ptx::parse_module(std::move(text));
    place_variables(fresh);
    const uint32_t id = next_module_++;
    modules_[id] = std::move(fresh);
    return id;
}

void Emulator::place(Loaded & loaded, const ptx::Variable & variable) {
    const auto bytes = static_cast<uint64_t>(std::max<int64_t>(variable.bytes(), 1));
    std::vector<uint8_t> storage(bytes + variable_alignment);
    auto base = reinterpret_cast<uint64_t>(storage.data());
    base = (base + variable_alignment - 1) / variable_alignment * variable_alignment;
    Allocation & allocation = memory_.add(base, bytes, reinterpret_cast<uint8_t *>(base), true);
    allocation.owned = std::move(storage);
    loaded.variables[variable.name] = base;
    loaded.places[variable.name] = {variable.space, base};
}

void Emulator::initialise(const Loaded & loaded, const ptx::Variable & variable) {
    const Allocation * allocation = memory_.find(loaded.variables.at(variable.name));
    const auto size = static_cast<uint64_t>(ptx::size_of(variable.type));
    uint64_t at = 0;
    for (const ptx::Initial & initial : variable.initial) {
        uint64_t value = initial.bits;
        if (!initial.symbol.empty()) {
            const auto symbol = loaded.variables.find(initial.symbol);
            if (symbol == loaded.variables.end()) {
                throw ptx::Error(variable.line, "the initial value '" + initial.symbol +
                                                    "' is not a variable of this module");
            }
            value += symbol->second;
        }
        if (at + size > allocation->size) {
            throw ptx::Error(variable.line, "more initial values than elements");
        }
        std::memcpy(allocation->host + at, &value, size);
        at += size;
    }
}

void Emulator::place_variables(Loaded & loaded) {
    std::vector<const ptx::Variable *> placed;
    for (const ptx::Variable & variable : loaded.module->variables) {
        const bool global =
            variable.space == ptx::Space::global || variable.space == ptx::Space::constant;
        // A use of an external one will say that it is not known.
        if (global && !variable.external) placed.push_back(&variable);
    }
    try {
        for (const ptx::Variable * variable : placed) place(loaded, *variable);
        for (const ptx::Variable * variable : placed) initialise(loaded, *variable);
    } catch (...) {
        for (const auto & variable : loaded.variables) memory_.remove(variable.second);
        throw;
    }
}

void Emulator::unload(uint32_t module) {
    Loaded & gone = loaded(module);
    for (const auto & variable : gone.variables) memory_.remove(variable.second);
    modules_.erase(module);
}

std::string Emulator::kernel_names(uint32_t module) const {
    std::string names;
    for (const auto & function : loaded(module).module->functions) {
        if (function.second.entry) names += function.first + "\n";
    }
    return names;
}

const Kernel & Emulator::kernel(uint32_t module, const std::string & name) {
    Loaded & in = loaded(module);
    const auto known = in.kernels.find(name);
    if (known != in.kernels.end()) return *known->second;
    const auto function = in.module->functions.find(name);
    if (function == in.module->functions.end() || !function->second.entry ||
        !function->second.defined) {
        throw Stop("there is no kernel '" + name + "' in this module");
    }
    try {
        return *(in.kernels[name] = decode(*in.module, function->second, in.places));
    } catch (const ptx::Error & error) {
        in.kernels.erase(name);
        throw ptx::Error(error.line(), std::string(error.what()) + " (kernel " + name + ")");
    } catch (...) {
        in.kernels.erase(name);
        throw;
    }
}

const Allocation & Emulator::symbol(uint32_t module, const std::string & name) const {
    const Loaded & in = loaded(module);
    const auto found = in.variables.find(name);
    if (found == in.variables.end()) {
        throw Stop("there is no variable '" + name + "' in this module");
    }
    return *memory_.find(found->second);
}

LaunchResult Emulator::run(Launch launch) {
    launch.memory = &memory_;
    return machine_.run(launch);
}

}  // namespace llamaproof::emulator
