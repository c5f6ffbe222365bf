// What a run is told: which devices to play, what the libraries' kernels need, what to keep.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/device.h"
#include "executor.h"

namespace shadow {

enum class Mode { record, execute };

// A kernel's code as one device would load it.
struct KernelCode {
    std::string name;
    std::uint32_t registers = 0;
    std::uint32_t static_shared = 0;
    std::uint32_t local = 0;
    std::uint32_t max_threads = 0;  // __launch_bounds__; 0: none
    std::uint32_t constant = 0;
    std::uint32_t parameter_bytes = 0;
    std::vector<llamaproof_parameter> parameters;
    bool from_ptx = false;
    bool estimated = false;
    int code_sm = 0;  // of the machine code or PTX that was chosen
};

// A fatbin's code as devices of one sm load it.
struct FatbinCode {
    std::string ptx_path;  // of the decompressed PTX; empty: not written out, or none runs here
    int ptx_sm = 0;
    std::unordered_map<std::string, KernelCode> kernels;
};

// The device code of one library, as llamaproof.shadow.index wrote it down.
struct LibraryIndex {
    std::string path;
    // Fatbins by address relative to the load base, then by sm.
    std::unordered_map<std::uint64_t, std::unordered_map<int, FatbinCode>> fatbins;
};

struct Session {
    Mode mode = Mode::record;
    std::string executor;  // path of the library that executes kernels; empty: beside this one
    std::vector<Device> devices;
    std::vector<std::unique_ptr<LibraryIndex>> libraries;

    // The session that the file named by LLAMAPROOF_SHADOW_SESSION describes. Ends the run with
    // the reason when there is none or it is damaged.
    static Session from_environment();
};

}  // namespace shadow
