// Writes JSON; commas, quotes and escapes are its business.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace llamaproof::emulator {

class JsonWriter {
public:
    JsonWriter & begin_object() { return open('{'); }
    JsonWriter & end_object() { return close('}'); }
    JsonWriter & begin_array() { return open('['); }
    JsonWriter & end_array() { return close(']'); }

    JsonWriter & key(std::string_view name);
    JsonWriter & value(uint64_t number);
    JsonWriter & value(int64_t number);
    JsonWriter & value(uint32_t number) { return value(uint64_t(number)); }
    JsonWriter & value(int32_t number) { return value(int64_t(number)); }
    JsonWriter & value(double number);  // finite, with six significant digits
    // ASCII stands as it is; any other byte becomes the character of its number.
    JsonWriter & value(std::string_view text);
    JsonWriter & value(const char * text) { return value(std::string_view(text)); }

    template <class T> JsonWriter & member(std::string_view name, const T & item) {
        return key(name).value(item);
    }

    const std::string & text() const { return text_; }

private:
    JsonWriter & open(char bracket);
    JsonWriter & close(char bracket);
    void separate();
    void quote(std::string_view text);

    std::string text_;
    bool first_ = true;  // nothing stands yet where the next item goes
};

}  // namespace llamaproof::emulator
