#include "worker/model/sampler.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/model/philox.h"

namespace triptych::model {
namespace {

using ::testing::ElementsAre;

engine::SampleRequest Request(engine::SamplingParams params) {
  return {.params = std::make_shared<engine::SamplingParams>(std::move(params))};
}

TokenId Choose(std::span<const float> logits, const engine::SampleRequest& request) {
  const auto token = SampleToken(logits, request);
  EXPECT_TRUE(token.ok()) << token.status();
  return token->id;
}

// The tokens that 2000 draws choose, and how often.
std::map<TokenId, int> Draws(std::span<const float> logits, engine::SamplingParams params) {
  params.temperature = params.temperature > 0 ? params.temperature : 1;
  engine::SampleRequest request = Request(std::move(params));
  std::map<TokenId, int> counts;
  for (request.output_index = 0; request.output_index < 2000; ++request.output_index) {
    ++counts[Choose(logits, request)];
  }
  return counts;
}

std::vector<float> Logs(std::initializer_list<double> probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

std::set<TokenId> Keys(const std::map<TokenId, int>& counts) {
  std::set<TokenId> keys;
  for (const auto& [id, count] : counts) keys.insert(id);
  return keys;
}

std::vector<TokenId> Ids(const std::vector<engine::TokenLogprob>& entries) {
  std::vector<TokenId> ids;
  for (const auto& entry : entries) ids.push_back(entry.id);
  return ids;
}

TEST(SampleTokenTest, GreedyTakesTheLowestIdOfTheBest) {
  EXPECT_EQ(Choose(std::vector<float>{1, 3, 2, 3}, Request({})), 1);
}

TEST(SampleTokenTest, ReportsRawLogprobsWhateverWasProcessed) {
  const std::vector<float> logits = Logs({0.5, 0.25, 0.25});
  engine::SampleRequest request = Request({.top_logprobs = 2});
  request.banned = {0};
  const auto token = SampleToken(logits, request);
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(token->id, 1);
  EXPECT_NEAR(token->logprob, std::log(0.25), 1e-6);
  EXPECT_THAT(Ids(token->top), ElementsAre(0, 1));
  EXPECT_NEAR(token->top[0].logprob, std::log(0.5), 1e-6);
}

TEST(SampleTokenTest, DrawsFollowTheProbabilities) {
  const auto counts = Draws(Logs({0.2, 0.5, 0.3}), {.seed = 3});
  EXPECT_NEAR(counts.at(0), 400, 90);  // five standard deviations
  EXPECT_NEAR(counts.at(1), 1000, 112);
  EXPECT_NEAR(counts.at(2), 600, 103);
}

TEST(SampleTokenTest, TemperatureSharpensAndFlattens) {
  const std::vector<float> logits = Logs({0.6, 0.4});
  EXPECT_NEAR(Draws(logits, {.temperature = 0.1f}).at(0), 1966, 45);
  EXPECT_NEAR(Draws(logits, {.temperature = 100.0f}).at(0), 1000, 112);
  EXPECT_EQ(Keys(Draws(logits, {.temperature = 1e-30f})), (std::set<TokenId>{0}));
}

TEST(SampleTokenTest, TopKKeepsTheBestAndTheLowerIdOfEquals) {
  const std::vector<float> logits = {0, 2, 2, 2, 1};
  EXPECT_EQ(Keys(Draws(logits, {.top_k = 2})), (std::set<TokenId>{1, 2}));
  EXPECT_EQ(Keys(Draws(logits, {.top_k = 1})), (std::set<TokenId>{1}));
  EXPECT_EQ(Keys(Draws(logits, {.top_k = 99})), (std::set<TokenId>{0, 1, 2, 3, 4}));
}

TEST(SampleTokenTest, TopPKeepsTheFewestThatReachIt) {
  const std::vector<float> logits = Logs({0.2, 0.5, 0.3});
  EXPECT_EQ(Keys(Draws(logits, {.top_p = 0.0f})), (std::set<TokenId>{1}));
  EXPECT_EQ(Keys(Draws(logits, {.top_p = 0.49f})), (std::set<TokenId>{1}));
  EXPECT_EQ(Keys(Draws(logits, {.top_p = 0.51f})), (std::set<TokenId>{1, 2}));
  EXPECT_EQ(Keys(Draws(logits, {.top_p = 0.79f})), (std::set<TokenId>{1, 2}));
  EXPECT_EQ(Keys(Draws(logits, {.top_p = 0.81f})), (std::set<TokenId>{0, 1, 2}));
}

TEST(SampleTokenTest, TopPMeasuresWhatTopKLeft) {
  // Of the best two, 0.5 and 0.3, the first has five eighths.
  const std::vector<float> logits = Logs({0.2, 0.5, 0.3});
  EXPECT_EQ(Keys(Draws(logits, {.top_p = 0.6f, .top_k = 2})), (std::set<TokenId>{1}));
  EXPECT_EQ(Keys(Draws(logits, {.top_p = 0.6f})), (std::set<TokenId>{1, 2}));
}

TEST(SampleTokenTest, MinPIsRelativeToTheBest) {
  const std::vector<float> logits = Logs({0.2, 0.5, 0.3});
  EXPECT_EQ(Keys(Draws(logits, {.min_p = 0.5f})), (std::set<TokenId>{1, 2}));
  EXPECT_EQ(Keys(Draws(logits, {.min_p = 1.0f})), (std::set<TokenId>{1}));
}

TEST(SampleTokenTest, AChoiceHangsOnSeedSequenceAndIndexAlone) {
  const std::vector<float> logits(1000, 0.0f);
  engine::SampleRequest request = Request({.temperature = 1, .seed = 11});
  request.sequence = 2;
  request.output_index = 5;
  const TokenId first = Choose(logits, request);
  EXPECT_EQ(Choose(logits, request), first);
  request.sequence = 3;
  EXPECT_NE(Choose(logits, request), first);
}

// The whole vocabulary sorted and every step spelled out.
TokenId SlowChoice(const std::vector<float>& logits, const engine::SampleRequest& request) {
  const engine::SamplingParams& params = *request.params;
  std::vector<TokenId> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(
      order.begin(), order.end(), [&](TokenId a, TokenId b) { return logits[a] > logits[b]; });
  if (params.top_k > 0) order.resize(std::min<size_t>(params.top_k, order.size()));
  const auto weight = [&](TokenId id) {
    return std::exp((static_cast<double>(logits[id]) - logits[order[0]]) / params.temperature);
  };
  double total = 0;
  for (const TokenId id : order) total += weight(id);
  std::vector<TokenId> kept;
  double mass = 0;
  for (const TokenId id : order) {
    if (!kept.empty() && (mass >= params.top_p * total || weight(id) < params.min_p)) break;
    kept.push_back(id);
    mass += weight(id);
  }
  double left = UniformAt(params.seed, request.sequence, request.output_index) * mass;
  for (const TokenId id : kept) {
    left -= weight(id);
    if (left < 0) return id;
  }
  return kept.back();
}

TEST(SampleTokenTest, AgreesWithTheSlowWay) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 3);
  const std::vector<float> top_ps = {0.3f, 0.8f, 1.0f};
  const std::vector<int32_t> top_ks = {0, 1, 40, 10'000};
  for (uint64_t round = 0; round < 300; ++round) {
    std::vector<float> logits(500);
    for (float& logit : logits) logit = normal(random);
    engine::SampleRequest request = Request({.temperature = 0.5f + 0.5f * (round % 3),
                                             .top_p = top_ps[round % top_ps.size()],
                                             .top_k = top_ks[round % top_ks.size()],
                                             .min_p = round % 5 == 0 ? 0.05f : 0.0f,
                                             .seed = round});
    ASSERT_EQ(Choose(logits, request), SlowChoice(logits, request)) << round;
  }
}

TEST(SampleTokenTest, BadNumbersAndImpossibleRequestsAreErrors) {
  EXPECT_EQ(SampleToken(std::vector<float>{1, NAN}, Request({})).status().code(),
            StatusCode::kInternal);
  for (const float temperature : {0.0f, 1.0f}) {
    engine::SampleRequest request = Request({.temperature = temperature});
    request.banned = {0, 1};
    EXPECT_EQ(SampleToken(std::vector<float>{1, 2}, request).status().code(),
              StatusCode::kInvalidArgument);
    request = Request({.temperature = temperature});
    request.allowed = {7};
    EXPECT_EQ(SampleToken(std::vector<float>{1, 2}, request).status().code(),
              StatusCode::kInvalidArgument);
  }
}

TEST(BeamCandidatesTest, GivesTheBestLogProbabilitiesInOrder) {
  engine::SampleRequest request = Request({});
  request.num_candidates = 3;
  const auto best = BeamCandidates(Logs({0.1, 0.4, 0.1, 0.4}), request);
  ASSERT_TRUE(best.ok()) << best.status();
  EXPECT_THAT(Ids(*best), ElementsAre(1, 3, 0));
  EXPECT_NEAR((*best)[0].logprob, std::log(0.4), 1e-6);
}

TEST(BeamCandidatesTest, PenaltyWorksOnLogProbabilities) {
  engine::SampleRequest request = Request({.repetition_penalty = 2});
  request.num_candidates = 2;
  request.penalized = {0};
  // The worse of the two wins: 2 ln 0.6 is below ln 0.4.
  const auto best = BeamCandidates(std::vector<float>{100.0f + std::log(1.5f), 100.0f}, request);
  ASSERT_TRUE(best.ok()) << best.status();
  EXPECT_EQ((*best)[0].id, 1);
  EXPECT_NEAR((*best)[1].logprob, 2 * std::log(0.6), 1e-4);
}

TEST(BeamCandidatesTest, GivesFewerWhenLessIsAllowed) {
  engine::SampleRequest request = Request({});
  request.num_candidates = 10;
  request.allowed = {2};
  const auto best = BeamCandidates(std::vector<float>{1, 2, 3}, request);
  ASSERT_TRUE(best.ok()) << best.status();
  EXPECT_THAT(Ids(*best), ElementsAre(2));
  request.banned = {2};
  EXPECT_FALSE(BeamCandidates(std::vector<float>{1, 2, 3}, request).ok());
  EXPECT_EQ(BeamCandidates(std::vector<float>{INFINITY}, request).status().code(),
            StatusCode::kInternal);
}

TEST(ScoreTokenTest, ScoresWhatIsThere) {
  const auto scored = ScoreToken(Logs({0.25, 0.25, 0.5}), /*token=*/1, /*top_logprobs=*/3);
  ASSERT_TRUE(scored.ok()) << scored.status();
  EXPECT_EQ(scored->id, 1);
  EXPECT_NEAR(scored->logprob, std::log(0.25), 1e-6);
  EXPECT_THAT(Ids(scored->top), ElementsAre(2, 0, 1));
}

TEST(ScoreTokenTest, RefusesWhatIsNoToken) {
  const std::vector<float> logits = {1, 2};
  for (const TokenId token : {-1, 2}) {
    EXPECT_EQ(ScoreToken(logits, token, 0).status().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(ScoreToken(std::vector<float>{NAN, 0}, 1, 0).status().code(), StatusCode::kInternal);
}

}  // namespace
}  // namespace triptych::model
