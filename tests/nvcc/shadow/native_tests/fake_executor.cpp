#include "fake_executor.h"

FakeExecutor & fake_executor() {
    static FakeExecutor executor;
    return executor;
}

int llamaproof_executor_abi() { return LLAMAPROOF_EXECUTOR_ABI; }

void llamaproof_executor_memory(const llamaproof_memory_event * event) {
    ++fake_executor().events[event->kind];
}

int llamaproof_executor_launch(const llamaproof_launch * launch) {
    FakeExecutor & seen = fake_executor();
    const auto * block = static_cast<const unsigned char *>(launch->parameter_block);
    ++seen.launches;
    seen.last = *launch;
    seen.kernel = launch->kernel;
    seen.ptx_path = launch->ptx_path != nullptr ? launch->ptx_path : "";
    seen.parameters.assign(block, block + launch->parameter_bytes);
    return seen.outcome;
}

const char * llamaproof_executor_message() { return "it was told to fail"; }
