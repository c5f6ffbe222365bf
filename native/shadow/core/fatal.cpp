#include "core/fatal.h"

#include <cstdio>
#include <cstdlib>

namespace shadow {

void fatal(const std::string & message) {
    std::fprintf(stderr, "llamaproof shadow runtime: %s\n", message.c_str());
    std::fflush(stderr);
    std::abort();
}

}  // namespace shadow

void llamaproof_shadow_unknown_call(const char * name) {
    shadow::fatal(std::string(name) +
                  " was called, and the shadow runtime has no such function; the run ends here "
                  "rather than go on with a guess");
}
