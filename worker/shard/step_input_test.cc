#include "worker/shard/step_input.h"

#include <map>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>

#include "gtest/gtest.h"
#include "tests/fakes/fake_embedding_source.h"

namespace triptych::shard {
namespace {

constexpr int64_t kHidden = 4;

EmbeddingKey Key(uint8_t name) { return {.digest = {name}}; }

at::Tensor Picture(int64_t rows, float first) {
  return (at::arange(rows * kHidden, at::kFloat) + first).reshape({rows, kHidden});
}

class PrepareStepTest : public ::testing::Test {
 protected:
  PrepareStepTest() {
    source_.Put(Key(1), Picture(3, 100));
    source_.Put(Key(2), Picture(5, 200));
  }

  fakes::FakeEmbeddingSource source_;
};

TEST_F(PrepareStepTest, TextNeedsNoSource) {
  engine::StepPlan plan;
  plan.sequences.push_back({.tokens = {1, 2, 3}});
  const PreparedStep prepared = PrepareStep(plan, nullptr, kHidden);
  EXPECT_EQ(prepared.input.plan, &plan);
  EXPECT_FALSE(prepared.input.image_rows.defined());
  EXPECT_EQ(prepared.errors, (std::vector<std::string>{""}));
}

TEST_F(PrepareStepTest, GathersRowsOfAllSequencesInOrder) {
  engine::StepPlan plan;
  plan.sequences.push_back(
      {.tokens = {-1, -1, 7, -1}, .images = {{0, 2, 1, Key(1)}, {3, 1, 4, Key(2)}}});
  plan.sequences.push_back({.tokens = {5}});
  plan.sequences.push_back({.tokens = {5, -1, -1}, .images = {{1, 2, 0, Key(2)}}});
  const PreparedStep prepared = PrepareStep(plan, &source_, kHidden);
  const at::Tensor wanted = at::cat({Picture(3, 100).narrow(0, 1, 2),
                                     Picture(5, 200).narrow(0, 4, 1),
                                     Picture(5, 200).narrow(0, 0, 2)});
  EXPECT_TRUE(at::equal(prepared.input.image_rows, wanted));
  EXPECT_EQ(prepared.errors, (std::vector<std::string>{"", "", ""}));
}

TEST_F(PrepareStepTest, AMissingPictureFailsItsSequenceOnly) {
  engine::StepPlan plan;
  plan.sequences.push_back({.tokens = {-1, -1}, .images = {{0, 1, 0, Key(1)}, {1, 1, 0, Key(9)}}});
  plan.sequences.push_back({.tokens = {-1}, .images = {{0, 1, 0, Key(2)}}});
  const PreparedStep prepared = PrepareStep(plan, &source_, kHidden);
  EXPECT_NE(prepared.errors[0], "");
  EXPECT_EQ(prepared.errors[1], "");
  EXPECT_TRUE(at::equal(prepared.input.image_rows,
                        at::cat({at::zeros({2, kHidden}), Picture(5, 200).narrow(0, 0, 1)})));
}

TEST_F(PrepareStepTest, SpansThatDoNotMatchTheTokensFailTheirSequence) {
  const std::vector<std::vector<engine::EmbeddingRows>> bad = {
      {},                                      // a picture row without a source
      {{0, 1, 0, Key(1)}},                     // only one of them
      {{0, 3, 0, Key(1)}},                     // a text row with one
      {{2, 2, 0, Key(1)}},                     // behind the end
      {{0, 1, 0, Key(1)}, {0, 1, 0, Key(1)}},  // twice the same
      {{0, 0, 0, Key(1)}, {0, 2, 0, Key(1)}},  // an empty span
      {{-1, 2, 0, Key(1)}},                    // before the start
      {{0, 2, 2, Key(1)}},                     // more rows than the picture has
  };
  for (size_t i = 0; i < bad.size(); ++i) {
    engine::StepPlan plan;
    plan.sequences.push_back({.tokens = {-1, -1, 3}, .images = bad[i]});
    const PreparedStep prepared = PrepareStep(plan, &source_, kHidden);
    EXPECT_NE(prepared.errors[0], "") << i;
    EXPECT_TRUE(at::equal(prepared.input.image_rows, at::zeros({2, kHidden}))) << i;
  }
}

TEST_F(PrepareStepTest, RowsOfAnotherWidthAreRefused) {
  engine::StepPlan plan;
  plan.sequences.push_back({.tokens = {-1}, .images = {{0, 1, 0, Key(1)}}});
  EXPECT_NE(PrepareStep(plan, &source_, kHidden + 1).errors[0], "");
}

}  // namespace
}  // namespace triptych::shard
