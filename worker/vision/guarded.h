#pragma once

#include <functional>
#include <string_view>

#include "common/status.h"

namespace triptych::vision {

// Runs what may throw (libtorch, allocation): the one place where the encoder catches. Out of memory is kResourceExhausted, all else kInternal;
// the exception's text goes to the log, never to a client.
Status Guarded(std::string_view what, const std::function<Status()>& body);

}  // namespace triptych::vision
