#include "common/check.h"

#include <cstdio>
#include <cstdlib>

namespace triptych::internal {

void CheckFailed(std::string_view file, int line, std::string_view expression) {
  std::fprintf(stderr, "%.*s:%d: check failed: %.*s\n", static_cast<int>(file.size()), file.data(), line,
               static_cast<int>(expression.size()), expression.data());
  std::abort();
}

}  // namespace triptych::internal
