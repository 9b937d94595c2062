#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "common/status.h"

namespace triptych {

// The file's bytes; kFailedPrecondition names it and says why it cannot be read.
StatusOr<std::string> ReadTextFile(const std::string& path, int64_t max_bytes = std::numeric_limits<int64_t>::max());

}  // namespace triptych
