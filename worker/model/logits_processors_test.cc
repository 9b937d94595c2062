#include "worker/model/logits_processors.h"

#include <cmath>
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych::model {
namespace {

using ::testing::ElementsAre;

engine::SampleRequest Request(engine::SamplingParams params) {
  return {.params = std::make_shared<engine::SamplingParams>(std::move(params))};
}

TEST(ProcessScoresTest, LeavesScoresAloneByDefault) {
  std::vector<float> scores = {1, -2, 3};
  ProcessScores(Request({}), scores);
  EXPECT_THAT(scores, ElementsAre(1, -2, 3));
}

TEST(ProcessScoresTest, RepetitionPenaltyPushesDownOnceWhateverTheSign) {
  std::vector<float> scores = {4, -2, 3};
  engine::SampleRequest request = Request({.repetition_penalty = 2});
  request.penalized = {0, 1, 0, 1, 0};
  ProcessScores(request, scores);
  EXPECT_THAT(scores, ElementsAre(2, -4, 3));
}

TEST(ProcessScoresTest, PresenceCountsOnceFrequencyEachTime) {
  std::vector<float> scores = {4, 4, 4};
  engine::SampleRequest request = Request({.presence_penalty = 1, .frequency_penalty = 0.5});
  request.output = {2, 0, 2};
  ProcessScores(request, scores);
  EXPECT_THAT(scores, ElementsAre(2.5, 4, 2));
}

TEST(ProcessScoresTest, BiasComesAfterPenalties) {
  std::vector<float> scores = {4, 4};
  engine::SampleRequest request =
      Request({.repetition_penalty = 2, .logit_bias = {{0, 1.0f}, {0, 1.0f}}});
  request.penalized = {0};
  ProcessScores(request, scores);
  EXPECT_THAT(scores, ElementsAre(4, 4));
}

TEST(ProcessScoresTest, AllowedAndBannedLeaveTheRestImpossible) {
  std::vector<float> scores = {1, 2, 3, 4};
  engine::SampleRequest request = Request({});
  request.allowed = {1, 3};
  request.banned = {3};
  ProcessScores(request, scores);
  EXPECT_EQ(scores[1], 2);
  for (const int id : {0, 2, 3}) EXPECT_EQ(scores[id], -INFINITY) << id;
}

TEST(ProcessScoresTest, IdsOutsideTheVocabularyAreHarmless) {
  std::vector<float> scores = {1, 2};
  engine::SampleRequest request = Request({.repetition_penalty = 2,
                                           .presence_penalty = 1,
                                           .logit_bias = {{2, 5.0f}, {-1, 5.0f}, {1 << 30, 5.0f}}});
  request.penalized = request.output = request.banned = {-1, 2, 1 << 30};
  ProcessScores(request, scores);
  EXPECT_THAT(scores, ElementsAre(1, 2));
}

}  // namespace
}  // namespace triptych::model
