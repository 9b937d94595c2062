#include "worker/weights/progress_loader.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/safetensors_writer.h"
#include "tests/fakes/temporary_folder.h"
#include "worker/weights/dummy_loader.h"

namespace triptych::weights {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ProgressLoaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fakes::SafetensorsWriter writer;
    for (const char* name : {"a", "b", "c"}) writer.Add(name, Values());
    folder_.Write("model.safetensors", writer.Bytes());
    loader_ = *LoadCheckpoint(folder_.path());
  }
  static at::Tensor Values() { return at::arange(500'000, at::kFloat).view({5, 100'000}); }  // 2 MB
  ProgressLoader Watch(const WeightLoader& loader) {
    return {
        &loader,
        {.who = "rank 0 of 2", .log = [this](const std::string& line) { lines_.push_back(line); }},
        &clock_};
  }

  fakes::TemporaryFolder folder_;
  fakes::ManualClock clock_;
  std::unique_ptr<WeightLoader> loader_;
  std::vector<std::string> lines_;
};

TEST_F(ProgressLoaderTest, TellsHowFarItHasComeEveryFewSeconds) {
  const ProgressLoader watched = Watch(*loader_);
  const Slice part{.dim = 0, .begin = 0, .end = 2};
  const auto a = watched.Load("a", {5, 100'000}, part);
  EXPECT_TRUE(at::equal(*a, Values().slice(0, 0, 2)));
  EXPECT_THAT(lines_, IsEmpty());
  clock_.Advance(milliseconds(5000));
  EXPECT_TRUE(watched.Load("b", {5, 100'000}, part).ok());
  EXPECT_THAT(lines_,
              ElementsAre("rank 0 of 2: 2 tensors, 1.6 MB of the checkpoint's 3 tensors, 6.0 MB"));
  clock_.Advance(milliseconds(4999));
  EXPECT_TRUE(watched.Load("b", {5, 100'000}, Slice::All()).ok());
  EXPECT_THAT(lines_, testing::SizeIs(1));
  clock_.Advance(milliseconds(1));
  EXPECT_FALSE(watched.Load("c", {4}, Slice::All()).ok());  // what was not read does not count
  EXPECT_THAT(lines_, testing::SizeIs(1));
  watched.Finish();
  EXPECT_EQ(lines_.back(), "rank 0 of 2: all 2 tensors, 3.6 MB in 10.0 s (0 MB/s)");
}

TEST_F(ProgressLoaderTest, DummiesHaveNoTotals) {
  const DummyLoader dummies({{"a", {5, 100}}});
  const ProgressLoader watched = Watch(dummies);
  EXPECT_TRUE(watched.Has("a"));
  clock_.Advance(milliseconds(6000));
  EXPECT_TRUE(watched.Load("a", {5, 100}, Slice::All()).ok());
  EXPECT_THAT(lines_, ElementsAre("rank 0 of 2: 1 tensors, 0.0 MB"));
}

TEST_F(ProgressLoaderTest, PassesEverythingElseOn) {
  const ProgressLoader watched = Watch(*loader_);
  EXPECT_TRUE(watched.Has("a"));
  EXPECT_FALSE(watched.Has("d"));
  EXPECT_EQ(*watched.Shape("a"), (std::vector<int64_t>{5, 100'000}));
  EXPECT_THAT(watched.Names(), testing::UnorderedElementsAre("a", "b", "c"));
  EXPECT_EQ(watched.StoredBytes("a"), 2'000'000);
  EXPECT_FALSE(watched.LoadIntegers("a", {5, 100'000}, Slice::All()).ok());
}

}  // namespace
}  // namespace triptych::weights
