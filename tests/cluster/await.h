#pragma once

#include <chrono>
#include <thread>

#include "gtest/gtest.h"

namespace triptych::cluster_test {

// No test that works comes near it.
inline constexpr std::chrono::seconds kPatience{60};

// Until the condition holds.
template <typename Condition>
void AwaitTrue(const char* what, Condition condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) {
      ADD_FAILURE() << "waited in vain: " << what;
      return;
    }
    std::this_thread::yield();
  }
}

}  // namespace triptych::cluster_test
