#include "core/runtime.h"

#include "core/thread.h"

namespace shadow {
namespace {

thread_local int current_device_of_thread = 0;
thread_local Status last_error_of_thread = Status::success;

}  // namespace

Runtime & Runtime::get() {
    // Never destroyed: libraries unregister their code while the process exits.
    static Runtime * const runtime = new Runtime();
    return *runtime;
}

Runtime::Runtime()
    : session_(Session::from_environment()),
      memory_(session_),
      kernels_(session_),
      streams_(session_.devices.size()) {
    if (!executes()) {
        return;
    }
    executor_ = std::make_unique<Executor>(session_.executor);
    memory_.listen([this](const llamaproof_memory_event & event) { executor_->memory(event); });
    for (int i = 0; i < device_count(); ++i) {
        const Device & device = session_.devices[static_cast<std::size_t>(i)];
        executor_devices_.push_back(
            {i, device.sm, device.multiprocessors, Device::warp_size, device.shared_per_block_optin,
             device.shared_per_multiprocessor, device.l2, device.name.c_str()});
    }
}

int Runtime::finish(const char * call, Status status) {
    const Lock lock(mutex_);
    const Status seen = outcome(call, status);
    if (seen != Status::success) {
        last_error_of_thread = seen;
    }
    return static_cast<int>(seen);
}

int Runtime::finish_driver(const char * call, Status status) {
    const Lock lock(mutex_);
    return static_cast<int>(outcome(call, status));
}

Status Runtime::outcome(const char * call, Status status) {
    if (fault_ != Status::success) {
        status = fault_;
    }
    if (status != Status::success) {
        llamaproof_record record = blank(LLAMAPROOF_RECORD_REFUSED, call, nullptr);
        record.status = static_cast<int>(status);
        recorder_.add(record);
    }
    return status;
}

int Runtime::last_error(bool clear) {
    const Lock lock(mutex_);
    const Status status = fault_ != Status::success ? fault_ : last_error_of_thread;
    if (clear) {
        last_error_of_thread = Status::success;
    }
    return static_cast<int>(status);
}

const Device * Runtime::device(int ordinal) const {
    if (ordinal < 0 || ordinal >= device_count()) {
        return nullptr;
    }
    return &session_.devices[static_cast<std::size_t>(ordinal)];
}

int Runtime::current_device() const { return current_device_of_thread; }

Status Runtime::set_device(int ordinal) {
    if (device(ordinal) == nullptr) {
        return session_.devices.empty() ? Status::no_device : Status::invalid_device;
    }
    current_device_of_thread = ordinal;
    return Status::success;
}

Status Runtime::memory_info(std::uint64_t * free, std::uint64_t * total) {
    const Lock lock(mutex_);
    if (session_.devices.empty()) {
        return Status::no_device;
    }
    const Usage usage = memory_.usage(current_device_of_thread);
    *free = usage.total - usage.current;
    *total = usage.total;
    return Status::success;
}

Status Runtime::enable_peer(int peer, bool enable) {
    const Lock lock(mutex_);
    if (device(peer) == nullptr || peer == current_device_of_thread) {
        return Status::invalid_device;
    }
    const std::pair<int, int> link{current_device_of_thread, peer};
    if (enable) {
        return peers_.insert(link).second ? Status::success : Status::peer_access_already_enabled;
    }
    return peers_.erase(link) > 0 ? Status::success : Status::peer_access_not_enabled;
}

Status Runtime::synchronize_device() {
    const Lock lock(mutex_);
    return streams_.forbid_wait_for_all();
}

std::size_t Runtime::drain(llamaproof_record * records, std::size_t capacity) {
    const Lock lock(mutex_);
    return recorder_.drain(records, capacity);
}

std::uint64_t Runtime::dropped() {
    const Lock lock(mutex_);
    return recorder_.dropped();
}

void Runtime::reset() {
    const Lock lock(mutex_);
    recorder_.reset();
    memory_.restart_peaks();
}

void Runtime::mark(const char * label) {
    const Lock lock(mutex_);
    recorder_.add(blank(LLAMAPROOF_RECORD_MARK, label, nullptr));
}

void Runtime::read_back(std::uint32_t modulus) {
    const Lock lock(mutex_);
    read_back_modulus_ = modulus;
}

const char * Runtime::name(std::uint32_t id) {
    const Lock lock(mutex_);
    return names_.text(id);
}

const char * Runtime::demangled(std::uint32_t id) {
    const Lock lock(mutex_);
    return names_.demangled(id);
}

bool Runtime::usage(int device, std::uint64_t * current, std::uint64_t * peak,
                    std::uint64_t * total) {
    const Lock lock(mutex_);
    if (device < -1 || device >= device_count()) {
        return false;
    }
    const Usage usage = device < 0 ? memory_.pinned_usage() : memory_.usage(device);
    *current = usage.current;
    *peak = usage.peak;
    *total = usage.total;
    return true;
}

llamaproof_record Runtime::blank(llamaproof_record_kind kind, const char * call,
                                 const Stream * stream) {
    llamaproof_record record{};
    record.sequence = recorder_.next_sequence();
    sequence_ = record.sequence;
    record.kind = kind;
    record.device = stream != nullptr ? stream->device : current_device_of_thread;
    record.stream = stream != nullptr ? stream->id : 0;
    record.capture = stream != nullptr && stream->capture ? stream->capture->graph->id : 0;
    record.thread = thread_id();
    record.name = names_.id(call);
    return record;
}

}  // namespace shadow
