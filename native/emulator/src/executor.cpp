// The interface of native/shadow/executor.h: launches that the shadow runtime hands over are
// carried out here.
//
// LLAMAPROOF_EMULATOR_THREADS: host threads (default: one for each core).
// LLAMAPROOF_EMULATOR_CHECK=0: no checks. LLAMAPROOF_EMULATOR_LIMIT: warp instructions of one block
// after which a launch is taken to hang.

#include "executor.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>
#include <utility>

#include "emulator.h"
#include "json.h"

#define LLAMAPROOF_EXPORT __attribute__((visibility("default")))

namespace llamaproof::emulator {

namespace {

void write(JsonWriter & json, std::string_view key, const Dim3 & extent) {
    json.key(key).begin_array().value(extent.x).value(extent.y).value(extent.z).end_array();
}

void write(JsonWriter & json, const Counts & counts) {
    json.begin_object().key("by_class").begin_object();
    for (size_t i = 0; i < class_count; ++i) {
        if (counts.by_class[i] != 0) json.member(class_names[i], counts.by_class[i]);
    }
    json.end_object();
    for (const NamedCount & count : named_counts) json.member(count.name, counts.*count.value);
    json.end_object();
}

void write(JsonWriter & json, const Finding & finding, const Launch & launch) {
    json.begin_object()
        .member("kind", static_cast<int32_t>(finding.kind))
        .member("line", finding.line);
    write(json, "block", launch.grid.at(finding.block));
    write(json, "thread", launch.block.at(finding.thread));
    json.member("address", finding.address)
        .member("count", finding.count)
        .member("instruction", launch.kernel->text[finding.pc])
        .member("detail", finding.detail)
        .end_object();
}

std::string report_of(const llamaproof_launch & request, const Launch & launch,
                      const LaunchResult & result) {
    JsonWriter json;
    json.begin_object().member("sequence", request.sequence).member("kernel", request.kernel);
    write(json, "grid", launch.grid);
    write(json, "block", launch.block);
    json.member("dynamic_shared_bytes", request.dynamic_shared_bytes)
        .member("static_shared_bytes", request.static_shared_bytes)
        .member("registers", request.registers)
        .member("device", request.device->ordinal)
        .member("ptx_sm", request.ptx_sm)
        .member("seconds", result.seconds)
        .key("counts");
    write(json, result.counts);
    json.key("findings").begin_array();
    for (const Finding & finding : result.findings) write(json, finding, launch);
    json.end_array().member("printed", result.printed).end_object();
    return json.text() + "\n";
}

uint64_t number_from_environment(const char * name, uint64_t otherwise) {
    const char * text = std::getenv(name);
    if (text == nullptr || *text == '\0') return otherwise;
    char * end = nullptr;
    const uint64_t value = std::strtoull(text, &end, 10);
    if (*end != '\0') throw Stop(std::string(name) + " is no number: " + text);
    return value;
}

class Executor {
public:
    void memory(const llamaproof_memory_event & event) {
        Memory & memory = emulator_.memory();
        switch (event.kind) {
            case LLAMAPROOF_MEMORY_ALLOCATED:
            case LLAMAPROOF_MEMORY_HOST_VISIBLE:
                memory.add(event.address, event.bytes, reinterpret_cast<uint8_t *>(event.address),
                           event.kind == LLAMAPROOF_MEMORY_HOST_VISIBLE);
                break;
            case LLAMAPROOF_MEMORY_FREED:
            case LLAMAPROOF_MEMORY_HOST_GONE: memory.remove(event.address); break;
            case LLAMAPROOF_MEMORY_WRITTEN: memory.mark(event.address, event.bytes, true); break;
            case LLAMAPROOF_MEMORY_COPIED:
                memory.copy_marks(event.address, event.source, event.bytes);
                break;
            case LLAMAPROOF_MEMORY_READ: check_read(event); break;
            default: throw Stop("a memory event of an unknown kind, " + std::to_string(event.kind));
        }
    }

    void launch(const llamaproof_launch & request) {
        if (request.ptx_path == nullptr) {
            throw Stop("there is no PTX for this kernel that could run on sm_" +
                       std::to_string(request.device->sm) +
                       ", and machine code is not executed; build for a plain architecture number, "
                       "without -real");
        }
        if (request.cooperative != 0) throw Stop("cooperative launches are not carried out");
        if (uint64_t(request.cluster[0]) * request.cluster[1] * request.cluster[2] != 1) {
            throw Stop("clusters of blocks are not carried out");
        }
        if (request.device->warp_size != lanes) {
            throw Stop("a warp of " + std::to_string(request.device->warp_size) + " lanes");
        }
        Launch launch;
        launch.kernel = &emulator_.kernel(module_of(request.ptx_path), request.kernel);
        launch.grid = {request.grid[0], request.grid[1], request.grid[2]};
        launch.block = {request.block[0], request.block[1], request.block[2]};
        launch.dynamic_shared =
            static_cast<uint32_t>(std::min<uint64_t>(request.dynamic_shared_bytes, UINT32_MAX));
        const auto * parameters = static_cast<const uint8_t *>(request.parameter_block);
        if (request.parameter_bytes != 0) {
            launch.params.assign(parameters, parameters + request.parameter_bytes);
        }
        launch.threads = static_cast<int>(std::min<uint64_t>(
            number_from_environment("LLAMAPROOF_EMULATOR_THREADS",
                                    std::max(1u, std::thread::hardware_concurrency())),
            256));
        launch.check = number_from_environment("LLAMAPROOF_EMULATOR_CHECK", 1) != 0;
        launch.instruction_limit =
            number_from_environment("LLAMAPROOF_EMULATOR_LIMIT", uint64_t(1) << 36);
        reports_ += report_of(request, launch, emulator_.run(launch));
    }

    std::string take_reports() { return std::exchange(reports_, {}); }

private:
    uint32_t module_of(const std::string & path) {
        const auto known = modules_.find(path);
        if (known != modules_.end()) return known->second;
        std::ifstream file(path, std::ios::binary);
        std::ostringstream text;
        text << file.rdbuf();
        if (!file) throw Stop("cannot read the PTX in " + path);
        return modules_[path] = emulator_.load(text.str());
    }

    // The host, or a library, reads what nothing has written: a kernel left part of its result out.
    void check_read(const llamaproof_memory_event & event) {
        const Allocation * allocation = emulator_.memory().find(event.address);
        if (allocation == nullptr || !allocation->holds(event.address, event.bytes)) return;
        const uint64_t bad = allocation->first_unwritten(event.address, event.bytes);
        if (bad == event.bytes) return;
        JsonWriter json;
        json.begin_object()
            .member("read", event.call == nullptr ? "" : event.call)
            .member("address", event.address)
            .member("bytes", event.bytes)
            .member("offset", bad)
            .end_object();
        reports_ += json.text() + "\n";
    }

    Emulator emulator_;
    std::map<std::string, uint32_t> modules_;
    std::string reports_;
};

std::mutex lock;
std::string message;
std::string failed_event;
std::string taken;

Executor & executor() {
    // Never destroyed: the program's own exit handlers may still free device memory.
    static auto * const instance = new Executor();
    return *instance;
}

}  // namespace

}  // namespace llamaproof::emulator

using namespace llamaproof::emulator;

extern "C" {

LLAMAPROOF_EXPORT int llamaproof_executor_abi(void) { return LLAMAPROOF_EXECUTOR_ABI; }

LLAMAPROOF_EXPORT void llamaproof_executor_memory(const llamaproof_memory_event * event) {
    const std::lock_guard<std::mutex> guard(lock);
    try {
        executor().memory(*event);
    } catch (const std::exception & error) {
        // There is no way to answer here: the next launch tells.
        failed_event = std::string(event->call == nullptr ? "a memory event" : event->call) + ": " +
                       error.what();
    }
}

LLAMAPROOF_EXPORT int llamaproof_executor_launch(const llamaproof_launch * launch) {
    const std::lock_guard<std::mutex> guard(lock);
    message.clear();
    try {
        if (!failed_event.empty()) throw Stop(std::exchange(failed_event, {}));
        executor().launch(*launch);
        return 0;
    } catch (const std::exception & error) {
        message = words_of(error);
        return 1;
    }
}

LLAMAPROOF_EXPORT const char * llamaproof_executor_message(void) { return message.c_str(); }

// What launches did since the last call, oldest first, one JSON object a line; valid until the next
// call.
LLAMAPROOF_EXPORT const char * llamaproof_executor_take_reports(void) {
    const std::lock_guard<std::mutex> guard(lock);
    taken = executor().take_reports();
    return taken.c_str();
}

}  // extern "C"
