#include "worker/shard/step_codec.h"

#include <random>

#include "gtest/gtest.h"

namespace triptych::shard {
namespace {

engine::StepPlan Plan() {
  engine::StepPlan plan{.step = 0x1234567890abcdef};
  plan.copies = {{1, 2}, {3, 4}};
  plan.sequences.push_back({.id = 7,
                            .first_position = 16,
                            .tokens = {5, kImageRow, 92543},
                            .blocks = {9, 0},
                            .prompt_tokens = 19,
                            .adapter = 2,
                            .logits = engine::LogitsWanted::kAll});
  plan.sequences.push_back({.id = ~uint64_t{0}, .tokens = {1}, .blocks = {3}});
  return plan;
}

TEST(StepCodecTest, GivesBackWhatFollowersActOn) {
  const engine::StepPlan plan = Plan();
  const auto decoded = DecodePlan(EncodePlan(plan));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->step, plan.step);
  ASSERT_EQ(decoded->copies.size(), 2u);
  EXPECT_EQ(decoded->copies[1].from, 3);
  EXPECT_EQ(decoded->copies[1].to, 4);
  ASSERT_EQ(decoded->sequences.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(decoded->sequences[i].id, plan.sequences[i].id);
    EXPECT_EQ(decoded->sequences[i].first_position, plan.sequences[i].first_position);
    EXPECT_EQ(decoded->sequences[i].tokens, plan.sequences[i].tokens);
    EXPECT_EQ(decoded->sequences[i].blocks, plan.sequences[i].blocks);
    EXPECT_EQ(decoded->sequences[i].prompt_tokens, plan.sequences[i].prompt_tokens);
    EXPECT_EQ(decoded->sequences[i].adapter, plan.sequences[i].adapter);
    EXPECT_EQ(decoded->sequences[i].logits, plan.sequences[i].logits);
  }
}

TEST(StepCodecTest, CarriesAnEmptyPlan) {
  const auto decoded = DecodePlan(EncodePlan({.step = 3}));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->step, 3u);
  EXPECT_TRUE(decoded->sequences.empty());
}

TEST(StepCodecTest, RefusesEveryTruncationAndAnyExtraByte) {
  const std::string bytes = EncodePlan(Plan());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(DecodePlan(bytes.substr(0, size)).status().code(), StatusCode::kInvalidArgument)
        << size;
  }
  EXPECT_FALSE(DecodePlan(bytes + '\0').ok());
}

TEST(StepCodecTest, RefusesAnotherVersion) {
  std::string bytes = EncodePlan(Plan());
  bytes[0] ^= 1;
  EXPECT_FALSE(DecodePlan(bytes).ok());
}

TEST(StepCodecTest, AllocatesNothingByALengthAlone) {
  std::string bytes = EncodePlan({.step = 3});
  for (const size_t length_at : {size_t{12}, size_t{16}}) {  // of copies, of sequences
    std::string huge = bytes;
    huge.replace(length_at, 4, "\xff\xff\xff\xff");
    EXPECT_FALSE(DecodePlan(huge).ok());
  }
}

TEST(StepCodecTest, StandsAnyBytes) {
  std::mt19937 random(1);
  const std::string good = EncodePlan(Plan());
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (int flips = 0; flips < 3; ++flips) {
      bytes[4 + random() % (bytes.size() - 4)] = static_cast<char>(random());
    }
    const auto decoded = DecodePlan(bytes);
    // What decodes says the same again: no byte is read in two ways.
    if (decoded.ok()) {
      ASSERT_EQ(EncodePlan(*decoded), bytes);
    }
  }
}

}  // namespace
}  // namespace triptych::shard
