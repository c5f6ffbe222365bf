// The library that executes kernels, where the session asks for one.
#pragma once

#include <string>

#include "executor.h"

namespace shadow {

class Executor {
public:
    // Opens the library; ends the run with the reason when that fails.
    explicit Executor(const std::string & path);

    void memory(const llamaproof_memory_event & event) const { memory_(&event); }
    int launch(const llamaproof_launch & launch) const { return launch_(&launch); }
    const char * message() const { return message_(); }

private:
    decltype(&llamaproof_executor_memory) memory_ = nullptr;
    decltype(&llamaproof_executor_launch) launch_ = nullptr;
    decltype(&llamaproof_executor_message) message_ = nullptr;
};

}  // namespace shadow
