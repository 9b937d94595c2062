#include "worker/process/watched_loading.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "tests/fakes/manual_clock.h"
#include "worker/weights/dummy_loader.h"

namespace triptych::worker {
namespace {

constexpr size_t kLarge = size_t{1} << 20, kSmall = 64, kPairs = 200;

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

// Touched, so that the system has to give it.
Memory Allocate(size_t bytes) {
  Memory memory(std::malloc(bytes));
  std::memset(memory.get(), 1, bytes);
  return memory;
}

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// As loading does it: something large for a while, then something small that stays.
StatusOr<std::vector<Memory>> LoadPairs(const weights::WeightLoader&) {
  std::vector<Memory> kept, temporary;
  for (size_t i = 0; i < kPairs; ++i) {
    temporary.push_back(Allocate(kLarge));
    kept.push_back(Allocate(kSmall));
  }
  return kept;
}

TEST(LoadWatchedTest, WhatLoadingFreedIsTheSystemsAgain) {
  mallopt(M_MMAP_THRESHOLD, static_cast<int>(4 * kLarge));  // smaller sizes are glibc's heap's, as after a while they are by themselves
  const weights::DummyLoader loader({});
  const fakes::ManualClock clock;
  const int64_t before = ResidentBytes();
  const auto loaded = LoadWatched<std::vector<Memory>>("test", loader, clock, LoadPairs);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->size(), kPairs);
  EXPECT_LT(ResidentBytes() - before, static_cast<int64_t>(kPairs * kLarge / 4));
}

TEST(LoadWatchedTest, ErrorsPassThrough) {
  const weights::DummyLoader loader({});
  const fakes::ManualClock clock;
  const auto failed = LoadWatched<int>("test", loader, clock, [](const weights::WeightLoader&) -> StatusOr<int> {
    return FailedPrecondition("tensor 'x' is missing");
  });
  EXPECT_EQ(failed.status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace triptych::worker
