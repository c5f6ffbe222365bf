// The number of the calling thread, as the system has it.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace shadow {

inline std::uint64_t thread_id() {
    thread_local const auto id = static_cast<std::uint64_t>(syscall(SYS_gettid));
    return id;
}

}  // namespace shadow
