#include "worker/shard/plan_bounds.h"

#include <functional>

#include "gtest/gtest.h"

namespace triptych::shard {
namespace {

constexpr PlanBounds kBounds{.num_blocks = 4, .vocab_size = 100, .num_adapters = 3};

engine::StepPlan GoodPlan() {
  engine::StepPlan plan;
  plan.copies = {{0, 3}};
  plan.sequences.push_back(
      {.first_position = 15, .tokens = {0, kImageRow, 99}, .blocks = {3, 1}, .prompt_tokens = 20, .adapter = 2});
  return plan;
}

TEST(CheckPlanTest, TakesWhatIsWithinBounds) {
  EXPECT_TRUE(CheckPlan(GoodPlan(), kBounds).ok());
  EXPECT_TRUE(CheckPlan({}, kBounds).ok());
}

TEST(CheckPlanTest, RefusesEachNumberOutside) {
  using Change = std::function<void(engine::StepPlan&)>;
  const std::vector<std::pair<const char*, Change>> changes = {
      {"copy from", [](auto& p) { p.copies[0].from = 4; }},
      {"copy to", [](auto& p) { p.copies[0].to = -1; }},
      {"no tokens", [](auto& p) { p.sequences[0].tokens.clear(); }},
      {"token too high", [](auto& p) { p.sequences[0].tokens[0] = 100; }},
      {"token too low", [](auto& p) { p.sequences[0].tokens[0] = -2; }},
      {"block too high", [](auto& p) { p.sequences[0].blocks[1] = 4; }},
      {"block too low", [](auto& p) { p.sequences[0].blocks[1] = -1; }},
      {"too few blocks", [](auto& p) { p.sequences[0].blocks.pop_back(); }},
      {"before the start", [](auto& p) { p.sequences[0].first_position = -1; }},
      {"far behind", [](auto& p) { p.sequences[0].first_position = 0x7fffffff; }},
      {"adapter too high", [](auto& p) { p.sequences[0].adapter = 3; }},
      {"adapter too low", [](auto& p) { p.sequences[0].adapter = -1; }},
      {"negative prompt", [](auto& p) { p.sequences[0].prompt_tokens = -1; }},
  };
  for (const auto& [what, change] : changes) {
    engine::StepPlan plan = GoodPlan();
    change(plan);
    EXPECT_EQ(CheckPlan(plan, kBounds).code(), StatusCode::kInternal) << what;
  }
}

}  // namespace
}  // namespace triptych::shard
