// Names and descriptions of the errors the shadow runtime returns.
#pragma once

#include <driver_types.h>

namespace shadow {

const char * error_name(cudaError_t error);
const char * error_text(cudaError_t error);

}  // namespace shadow
