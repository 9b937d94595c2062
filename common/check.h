#pragma once

#include <string_view>

namespace triptych::internal {

// Prints "file:line: check failed: expression" to stderr and aborts.
[[noreturn]] void CheckFailed(std::string_view file, int line, std::string_view expression);

}  // namespace triptych::internal

// Guards the project's own invariants, in every build. Never for input, configuration or peers: those get a Status.
#define TRIPTYCH_CHECK(condition)                                                  \
  do {                                                                             \
    if (!(condition)) ::triptych::internal::CheckFailed(__FILE__, __LINE__, #condition); \
  } while (false)
