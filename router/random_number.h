#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "fmt/format.h"

namespace triptych::router {

// For seeds and names that nobody has chosen; not for secrets. Thread-safe.
inline uint64_t DrawNumber() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return random();
}

// The name of a request: 16 hexadecimal digits.
inline std::string DrawRequestId() { return fmt::format("{:016x}", DrawNumber()); }

}  // namespace triptych::router
