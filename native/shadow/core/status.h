// Outcomes of calls, with the numbers of cudaError_t.
//
// CUDA 12 and 13 agree on them (driver_types.h); cudart.cpp asserts each against both.
#pragma once

namespace shadow {

enum class Status : int {
    success = 0,
    invalid_value = 1,
    memory_allocation = 2,
    invalid_configuration = 9,
    invalid_pitch = 12,
    invalid_memcpy_direction = 21,
    no_device = 100,
    invalid_device = 101,
    no_kernel_image = 209,
    invalid_resource_handle = 400,
    illegal_state = 401,
    launch_out_of_resources = 701,
    peer_access_already_enabled = 704,
    peer_access_not_enabled = 705,
    host_memory_already_registered = 712,
    host_memory_not_registered = 713,
    launch_failure = 719,
    cooperative_launch_too_large = 720,
    not_supported = 801,
    stream_capture_unsupported = 900,
    stream_capture_invalidated = 901,
    stream_capture_unmatched = 903,
    stream_capture_unjoined = 904,
    stream_capture_isolation = 905,
    stream_capture_implicit = 906,
    captured_event = 907,
    stream_capture_wrong_thread = 908,
    graph_exec_update_failure = 910,
};

}  // namespace shadow
