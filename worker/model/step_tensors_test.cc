#include "worker/model/step_tensors.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych::model {
namespace {

using engine::LogitsWanted;
using layers::AdapterRun;
using layers::RowRun;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr layers::RotaryConfig kRotary{.head_dim = 8};

at::Tensor Ints(std::vector<int32_t> values) { return at::tensor(values, at::kInt); }

TEST(StepTensorsTest, PutsSequencesBehindEachOther) {
  engine::StepPlan plan;
  plan.sequences.push_back({.first_position = 15,
                            .tokens = {4, -1, -1},
                            .blocks = {7, 2},
                            .prompt_tokens = 30,
                            .logits = LogitsWanted::kNone});
  plan.sequences.push_back({.tokens = {-1, 5}, .blocks = {3}, .logits = LogitsWanted::kAll});
  plan.sequences.push_back({.first_position = 9, .tokens = {6, -1}, .blocks = {1}});
  const StepTensors step = MakeStepTensors(plan, kRotary, at::kCPU);
  EXPECT_TRUE(at::equal(step.ids, Ints({4, -1, -1, -1, 5, 6, -1})));
  EXPECT_TRUE(at::equal(step.rows.positions, Ints({15, 16, 17, 0, 1, 9, 10})));
  EXPECT_TRUE(at::equal(step.rows.sequence, Ints({0, 0, 0, 1, 1, 2, 2})));
  EXPECT_TRUE(at::equal(step.rows.block_tables, Ints({7, 2, 3, -1, 1, -1}).view({3, 2})));
  EXPECT_TRUE(at::equal(step.wanted, at::tensor(std::vector<int64_t>{3, 4, 6}, at::kLong)));
  EXPECT_THAT(step.low_rank.images, ElementsAre(RowRun{1, 3}, RowRun{6, 1}));
  EXPECT_THAT(step.low_rank.adapters, IsEmpty());
  EXPECT_EQ(step.rotary.cos.sizes(), (std::vector<int64_t>{7, 4}));
}

TEST(StepTensorsTest, AStepMayWantNothing) {
  engine::StepPlan plan;
  plan.sequences.push_back({.tokens = {1}, .blocks = {0}, .logits = LogitsWanted::kNone});
  const StepTensors step = MakeStepTensors(plan, kRotary, at::kCPU);
  EXPECT_EQ(step.wanted.numel(), 0);
  EXPECT_THAT(step.low_rank.images, IsEmpty());
}

TEST(StepTensorsTest, AnAdapterHasAllRowsOfItsSequences) {
  engine::StepPlan plan;
  plan.sequences.push_back({.tokens = {1, 2}, .blocks = {0}, .adapter = 1});
  plan.sequences.push_back({.tokens = {-1}, .blocks = {1}, .adapter = 1});
  plan.sequences.push_back({.tokens = {3}, .blocks = {2}});
  plan.sequences.push_back({.tokens = {4}, .blocks = {3}, .adapter = 1});
  plan.sequences.push_back({.tokens = {5, 6}, .blocks = {4}, .adapter = 2});
  const StepTensors step = MakeStepTensors(plan, kRotary, at::kCPU);
  EXPECT_THAT(step.low_rank.adapters,
              ElementsAre(AdapterRun{{0, 3}, 1}, AdapterRun{{4, 1}, 1}, AdapterRun{{5, 2}, 2}));
  EXPECT_THAT(step.low_rank.images, ElementsAre(RowRun{2, 1}));
}

}  // namespace
}  // namespace triptych::model
