// The end of a run that cannot go on truthfully.
#pragma once

#include <string>

#if defined(__GNUC__)
#define SHADOW_API __attribute__((visibility("default")))
#endif

namespace shadow {

// Write "llamaproof shadow runtime: <message>" to stderr and abort.
[[noreturn]] SHADOW_API void fatal(const std::string & message);

}  // namespace shadow

// A stand-in's function that nobody wrote: name it and abort.
extern "C" [[noreturn]] SHADOW_API void llamaproof_shadow_unknown_call(const char * name);
