#include "core/session.h"

#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>

#include "core/fatal.h"

namespace shadow {
namespace {

constexpr const char * kVariable = "LLAMAPROOF_SHADOW_SESSION";

// Lines of "key rest", read one by one; every complaint names file and line.
class Reader {
public:
    explicit Reader(const std::string & path) : path_(path), stream_(path) {
        if (!stream_) {
            fatal("cannot read " + path);
        }
    }

    bool next() {
        while (std::getline(stream_, line_)) {
            ++number_;
            if (line_.empty()) {
                continue;
            }
            const auto space = line_.find(' ');
            key = line_.substr(0, space);
            rest = space == std::string::npos ? "" : line_.substr(space + 1);
            return true;
        }
        return false;
    }

    void expect(const std::string & header) {
        if (!next() || line_ != header) {
            complain("should begin with \"" + header + "\"");
        }
    }

    std::uint64_t integer(const std::string & text) const {
        std::size_t used = 0;
        try {
            const auto value = std::stoull(text, &used, 0);
            if (used == text.size()) {
                return value;
            }
        } catch (const std::exception &) {
            used = 0;
        }
        complain("\"" + text + "\" is no number");
    }

    [[noreturn]] void complain(const std::string & what) const {
        fatal(path_ + ", line " + std::to_string(number_) + ": " + what);
    }

    std::string key;
    std::string rest;

private:
    std::string path_;
    std::ifstream stream_;
    std::string line_;
    int number_ = 0;
};

using Setter = std::function<void(Device &, std::uint64_t)>;

template <typename T> Setter field(T Device::* member) {
    return
        [member](Device & device, std::uint64_t value) { device.*member = static_cast<T>(value); };
}

const std::unordered_map<std::string, Setter> & device_fields() {
    static const auto * fields = new std::unordered_map<std::string, Setter>{
        {"sm", field(&Device::sm)},
        {"memory", field(&Device::memory)},
        {"multiprocessors", field(&Device::multiprocessors)},
        {"max_threads_per_multiprocessor", field(&Device::max_threads_per_multiprocessor)},
        {"max_blocks_per_multiprocessor", field(&Device::max_blocks_per_multiprocessor)},
        {"shared_per_multiprocessor", field(&Device::shared_per_multiprocessor)},
        {"shared_per_block_optin", field(&Device::shared_per_block_optin)},
        {"reserved_shared_per_block", field(&Device::reserved_shared_per_block)},
        {"l2", field(&Device::l2)},
        {"clock_khz", field(&Device::clock_khz)},
        {"memory_clock_khz", field(&Device::memory_clock_khz)},
        {"memory_bus_bits", field(&Device::memory_bus_bits)},
        {"integrated", field(&Device::integrated)},
    };
    return *fields;
}

KernelCode read_kernel(const Reader & reader, bool from_ptx, int code_sm) {
    // kernel NAME REGISTERS SHARED LOCAL MAX_THREADS CONSTANT ESTIMATED [OFFSET:SIZE ...]
    std::istringstream words(reader.rest);
    KernelCode kernel;
    int estimated = 0;
    words >> kernel.name >> kernel.registers >> kernel.static_shared >> kernel.local >>
        kernel.max_threads >> kernel.constant >> estimated;
    if (!words) {
        reader.complain("a kernel line is cut short");
    }
    kernel.estimated = estimated != 0;
    kernel.from_ptx = from_ptx;
    kernel.code_sm = code_sm;
    llamaproof_parameter parameter{};
    char colon = 0;
    while (words >> parameter.offset >> colon >> parameter.size) {
        kernel.parameters.push_back(parameter);
        kernel.parameter_bytes =
            std::max(kernel.parameter_bytes, parameter.offset + parameter.size);
    }
    return kernel;
}

void read_index(LibraryIndex & library, const std::string & path) {
    Reader reader(path);
    reader.expect("llamaproof-kernel-index 1");
    std::unordered_map<int, FatbinCode> * fatbin = nullptr;
    FatbinCode * code = nullptr;
    bool from_ptx = false;
    int code_sm = 0;
    bool complete = false;
    while (reader.next()) {
        if (reader.key == "fatbin") {
            fatbin = &library.fatbins[reader.integer(reader.rest)];
            code = nullptr;
        } else if (reader.key == "code" && fatbin != nullptr) {
            // code DEVICE_SM cubin|ptx CODE_SM
            std::istringstream words(reader.rest);
            int device_sm = 0;
            std::string kind;
            words >> device_sm >> kind >> code_sm;
            from_ptx = kind == "ptx";
            code = &(*fatbin)[device_sm];
        } else if (reader.key == "ptx" && code != nullptr) {
            // ptx SM PATH
            std::istringstream words(reader.rest);
            words >> code->ptx_sm;
            std::getline(words >> std::ws, code->ptx_path);
        } else if (reader.key == "kernel" && code != nullptr) {
            KernelCode kernel = read_kernel(reader, from_ptx, code_sm);
            code->kernels.emplace(kernel.name, std::move(kernel));
        } else if (reader.key == "end") {
            complete = true;
        } else {
            reader.complain("\"" + reader.key + "\" is not known here");
        }
    }
    if (!complete) {
        reader.complain("the file is cut short");
    }
}

Mode mode_named(const Reader & reader) {
    if (reader.rest != "record" && reader.rest != "execute") {
        reader.complain("mode is record or execute, not \"" + reader.rest + "\"");
    }
    return reader.rest == "execute" ? Mode::execute : Mode::record;
}

void read_line(const Reader & reader, Session & session) {
    const auto field = device_fields().find(reader.key);
    if (reader.key == "mode") {
        session.mode = mode_named(reader);
    } else if (reader.key == "executor") {
        session.executor = reader.rest;
    } else if (reader.key == "device") {
        session.devices.emplace_back();
        session.devices.back().name = reader.rest;
    } else if (reader.key == "library") {
        session.libraries.push_back(std::make_unique<LibraryIndex>());
        session.libraries.back()->path = reader.rest;
    } else if (reader.key == "index" && !session.libraries.empty()) {
        read_index(*session.libraries.back(), reader.rest);
    } else if (field != device_fields().end() && !session.devices.empty()) {
        field->second(session.devices.back(), reader.integer(reader.rest));
    } else {
        reader.complain("\"" + reader.key + "\" is not known here");
    }
}

}  // namespace

Session Session::from_environment() {
    const char * path = std::getenv(kVariable);
    if (path == nullptr) {
        fatal(std::string(kVariable) +
              " is not set: it names the file that says which GPU to play "
              "(llamaproof.shadow.prepare writes it)");
    }
    Reader reader(path);
    reader.expect("llamaproof-shadow-session 1");
    Session session;
    while (reader.next()) {
        read_line(reader, session);
    }
    return session;
}

}  // namespace shadow
