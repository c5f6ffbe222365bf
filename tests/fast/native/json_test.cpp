// Writes one document with everything the writer knows.

#include "json.h"

#include <cstdio>

using llamaproof::emulator::JsonWriter;

int main() {
    JsonWriter json;
    json.begin_object().key("empty").begin_array().end_array().key("nothing").begin_object();
    json.end_object().key("list").begin_array().value(uint64_t(1) << 63).value(int64_t(-5));
    json.begin_object().end_object().value("x").end_array();
    json.member("seconds", 0.25).member("text", "say \"\\\"\n\x01 and \xe9");
    json.member("signed", int32_t(-1)).member("unsigned", uint32_t(7)).end_object();
    std::printf("%s\n", json.text().c_str());
    return 0;
}
