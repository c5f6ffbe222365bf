// An executor that carries nothing out and remembers what it was told.
#pragma once

#include <string>
#include <vector>

#include "executor.h"

struct FakeExecutor {
    int events[8] = {};
    int launches = 0;
    int outcome = 0;
    llamaproof_launch last{};
    std::string kernel;
    std::string ptx_path;
    std::vector<unsigned char> parameters;
};

extern "C" FakeExecutor & fake_executor();
