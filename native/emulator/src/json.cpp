#include "json.h"

#include <cstdio>

namespace llamaproof::emulator {

JsonWriter & JsonWriter::open(char bracket) {
    separate();
    text_ += bracket;
    first_ = true;
    return *this;
}

JsonWriter & JsonWriter::close(char bracket) {
    text_ += bracket;
    first_ = false;
    return *this;
}

JsonWriter & JsonWriter::key(std::string_view name) {
    separate();
    quote(name);
    text_ += ':';
    first_ = true;
    return *this;
}

JsonWriter & JsonWriter::value(uint64_t number) {
    separate();
    text_ += std::to_string(number);
    return *this;
}

JsonWriter & JsonWriter::value(int64_t number) {
    separate();
    text_ += std::to_string(number);
    return *this;
}

JsonWriter & JsonWriter::value(double number) {
    separate();
    char digits[32];
    std::snprintf(digits, sizeof digits, "%g", number);
    text_ += digits;
    return *this;
}

JsonWriter & JsonWriter::value(std::string_view text) {
    separate();
    quote(text);
    return *this;
}

void JsonWriter::separate() {
    if (!first_) text_ += ',';
    first_ = false;
}

void JsonWriter::quote(std::string_view text) {
    text_ += '"';
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte >= 0x7f) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", byte);
            text_ += escape;
            continue;
        }
        if (c == '"' || c == '\\') text_ += '\\';
        text_ += c;
    }
    text_ += '"';
}

}  // namespace llamaproof::emulator
