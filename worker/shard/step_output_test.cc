#include "worker/shard/step_output.h"

#include <cmath>
#include <memory>

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych::shard {
namespace {

using engine::LogitsWanted;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int64_t kVocab = 5;

engine::SampleRequest Greedy(int32_t num_candidates = 0) {
  return {.params = std::make_shared<engine::SamplingParams>(), .num_candidates = num_candidates};
}

// Rows whose best token is given, by a clear margin.
at::Tensor LogitsWithBest(std::initializer_list<int64_t> best) {
  at::Tensor logits = at::zeros({static_cast<int64_t>(best.size()), kVocab});
  int64_t row = 0;
  for (const int64_t id : best) logits.mutable_data_ptr<float>()[row++ * kVocab + id] = 10;
  return logits;
}

// A chunk without logits, a decode step, a scored prompt, a beam, and a last chunk without a
// sample.
engine::StepPlan MixedPlan() {
  engine::StepPlan plan{.step = 9};
  plan.sequences.push_back({.id = 1, .tokens = {1, 2}, .logits = LogitsWanted::kNone});
  plan.sequences.push_back({.id = 2, .tokens = {1}, .sample = Greedy()});
  plan.sequences.push_back({.id = 3,
                            .tokens = {1, kImageRow, 2},
                            .logits = LogitsWanted::kAll,
                            .targets = {kImageRow, 2, 4},
                            .top_logprobs = 1});
  plan.sequences.push_back({.id = 4, .tokens = {1}, .sample = Greedy(/*num_candidates=*/2)});
  plan.sequences.push_back({.id = 5, .tokens = {1}});
  return plan;
}

TEST(MakeStepResultTest, GivesEachSequenceWhatItAskedFor) {
  const at::Tensor logits = LogitsWithBest({3, 0, 2, 1, 4, 0});
  const engine::StepResult result =
      MakeStepResult(MixedPlan(), logits, std::vector<std::string>(5));
  EXPECT_EQ(result.step, 9u);
  ASSERT_THAT(result.sequences, SizeIs(5));
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(result.sequences[i].id, i + 1);
    EXPECT_EQ(result.sequences[i].error, "");
  }
  EXPECT_FALSE(result.sequences[0].chosen);
  ASSERT_TRUE(result.sequences[1].chosen);
  EXPECT_EQ(result.sequences[1].chosen->id, 3);

  const auto& scored = result.sequences[2].scored;
  ASSERT_THAT(scored, SizeIs(2));
  EXPECT_EQ(scored[0].id, 2);
  EXPECT_NEAR(scored[0].logprob, 0, 1e-3);
  EXPECT_EQ(scored[1].id, 4);
  EXPECT_NEAR(scored[1].logprob, -10, 1e-3);
  ASSERT_THAT(scored[1].top, SizeIs(1));
  EXPECT_EQ(scored[1].top[0].id, 1);

  EXPECT_FALSE(result.sequences[3].chosen);
  ASSERT_THAT(result.sequences[3].candidates, SizeIs(2));
  EXPECT_EQ(result.sequences[3].candidates[0].id, 4);
  EXPECT_FALSE(result.sequences[4].chosen);
}

TEST(MakeStepResultTest, BadNumbersFailTheirSequenceOnly) {
  at::Tensor logits = LogitsWithBest({3, 0, 2, 1, 4, 0});
  logits.mutable_data_ptr<float>()[3 * kVocab] = NAN;  // the last row of the scored prompt
  const engine::StepResult result =
      MakeStepResult(MixedPlan(), logits, std::vector<std::string>(5));
  EXPECT_THAT(result.sequences[2].error, HasSubstr("not finite"));
  EXPECT_THAT(result.sequences[2].scored, SizeIs(0));
  EXPECT_EQ(result.sequences[1].chosen->id, 3);
  EXPECT_THAT(result.sequences[3].candidates, SizeIs(2));
}

TEST(MakeStepResultTest, AnEarlierErrorStays) {
  const at::Tensor logits = LogitsWithBest({3, 0, 2, 1, 4, 0});
  std::vector<std::string> errors(5);
  errors[1] = errors[2] = "its picture is gone";
  const engine::StepResult result = MakeStepResult(MixedPlan(), logits, errors);
  for (const size_t i : {1, 2}) {
    EXPECT_EQ(result.sequences[i].error, "its picture is gone");
    EXPECT_FALSE(result.sequences[i].chosen);
    EXPECT_THAT(result.sequences[i].scored, SizeIs(0));
  }
  EXPECT_EQ(result.sequences[3].candidates[0].id, 4);
}

TEST(MakeStepResultTest, AStepWithoutLogitsIsFine) {
  engine::StepPlan plan;
  plan.sequences.push_back({.id = 1, .tokens = {1, 2}, .logits = LogitsWanted::kNone});
  const engine::StepResult result = MakeStepResult(plan, at::empty({0, kVocab}), {""});
  ASSERT_THAT(result.sequences, SizeIs(1));
  EXPECT_EQ(result.sequences[0].error, "");
}

}  // namespace
}  // namespace triptych::shard
