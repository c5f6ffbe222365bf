// Modules, memory and launches together: what both C interfaces stand on.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "decode.h"
#include "machine.h"
#include "ptx.h"

namespace llamaproof::emulator {

class Emulator {
public:
    uint32_t load(std::string text);
    void unload(uint32_t module);
    std::string kernel_names(uint32_t module) const;
    const Kernel & kernel(uint32_t module, const std::string & name);
    const Allocation & symbol(uint32_t module, const std::string & name) const;
    LaunchResult run(Launch launch);
    Memory & memory() { return memory_; }

private:
    struct Loaded {
        std::unique_ptr<ptx::Module> module;
        Places places;
        std::map<std::string, uint64_t> variables;  // name -> base
        std::map<std::string, std::unique_ptr<Kernel>> kernels;
    };
    Loaded & loaded(uint32_t module);
    const Loaded & loaded(uint32_t module) const;
    void place(Loaded & loaded, const ptx::Variable & variable);
    void initialise(const Loaded & loaded, const ptx::Variable & variable);
    void place_variables(Loaded & loaded);

    Memory memory_;
    Machine machine_;
    std::map<uint32_t, Loaded> modules_;
    uint32_t next_module_ = 1;
};

// "line 12: ..." for errors in PTX, the plain text for others.
std::string words_of(const std::exception & error);

}  // namespace llamaproof::emulator
