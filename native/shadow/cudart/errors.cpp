#include "cudart/errors.h"

#include "core/status.h"

namespace shadow {
namespace {

struct Description {
    Status status;
    cudaError_t error;
    const char * name;
    const char * text;
};

#define NAMED(status, error, text) {Status::status, error, #error, text}

constexpr Description kDescriptions[] = {
    NAMED(success, cudaSuccess, "no error"),
    NAMED(invalid_value, cudaErrorInvalidValue, "invalid argument"),
    NAMED(memory_allocation, cudaErrorMemoryAllocation, "out of memory"),
    NAMED(invalid_configuration, cudaErrorInvalidConfiguration, "invalid configuration argument"),
    NAMED(invalid_pitch, cudaErrorInvalidPitchValue, "invalid pitch argument"),
    NAMED(invalid_memcpy_direction, cudaErrorInvalidMemcpyDirection,
          "invalid copy direction for memcpy"),
    NAMED(no_device, cudaErrorNoDevice, "no CUDA-capable device is detected"),
    NAMED(invalid_device, cudaErrorInvalidDevice, "invalid device ordinal"),
    NAMED(no_kernel_image, cudaErrorNoKernelImageForDevice,
          "no kernel image is available for execution on the device"),
    NAMED(invalid_resource_handle, cudaErrorInvalidResourceHandle, "invalid resource handle"),
    NAMED(illegal_state, cudaErrorIllegalState,
          "the operation cannot be performed in the present state"),
    NAMED(launch_out_of_resources, cudaErrorLaunchOutOfResources,
          "too many resources requested for launch"),
    NAMED(peer_access_already_enabled, cudaErrorPeerAccessAlreadyEnabled,
          "peer access is already enabled"),
    NAMED(peer_access_not_enabled, cudaErrorPeerAccessNotEnabled,
          "peer access has not been enabled"),
    NAMED(host_memory_already_registered, cudaErrorHostMemoryAlreadyRegistered,
          "part or all of the requested memory range is already mapped"),
    NAMED(host_memory_not_registered, cudaErrorHostMemoryNotRegistered,
          "pointer does not correspond to a registered memory region"),
    NAMED(launch_failure, cudaErrorLaunchFailure, "unspecified launch failure"),
    NAMED(cooperative_launch_too_large, cudaErrorCooperativeLaunchTooLarge,
          "too many blocks in cooperative launch"),
    NAMED(not_supported, cudaErrorNotSupported, "operation not supported"),
    NAMED(stream_capture_unsupported, cudaErrorStreamCaptureUnsupported,
          "operation not permitted when stream is capturing"),
    NAMED(stream_capture_invalidated, cudaErrorStreamCaptureInvalidated,
          "operation failed due to a previous error during capture"),
    NAMED(stream_capture_unmatched, cudaErrorStreamCaptureUnmatched,
          "the capture was not initiated in this stream"),
    NAMED(stream_capture_unjoined, cudaErrorStreamCaptureUnjoined,
          "capturing stream has unjoined work"),
    NAMED(stream_capture_isolation, cudaErrorStreamCaptureIsolation,
          "dependency created on uncaptured work in another stream"),
    NAMED(stream_capture_implicit, cudaErrorStreamCaptureImplicit,
          "operation would make the legacy stream depend on a capturing blocking stream"),
    NAMED(captured_event, cudaErrorCapturedEvent,
          "operation not permitted on an event last recorded in a capturing stream"),
    NAMED(stream_capture_wrong_thread, cudaErrorStreamCaptureWrongThread,
          "attempt to terminate a thread-local capture sequence from another thread"),
    NAMED(graph_exec_update_failure, cudaErrorGraphExecUpdateFailure,
          "the graph update was not performed because it included changes which violated "
          "constraints specific to instantiated graph update"),
};

constexpr bool numbers_agree() {
    for (const Description & known : kDescriptions) {
        if (static_cast<int>(known.status) != static_cast<int>(known.error)) {
            return false;
        }
    }
    return true;
}
static_assert(numbers_agree(), "core/status.h and NVIDIA's driver_types.h number errors alike");

const Description * find(cudaError_t error) {
    for (const Description & known : kDescriptions) {
        if (known.error == error) {
            return &known;
        }
    }
    return nullptr;
}

}  // namespace

const char * error_name(cudaError_t error) {
    const Description * known = find(error);
    return known != nullptr ? known->name : "unrecognized error code";
}

const char * error_text(cudaError_t error) {
    const Description * known = find(error);
    return known != nullptr ? known->text : "unrecognized error code";
}

}  // namespace shadow
