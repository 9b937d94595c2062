#include <algorithm>
#include <random>

#include "gtest/gtest.h"
#include "router/policies/routing_policy.h"

namespace triptych::router {
namespace {

using Candidates = std::vector<DecoderCandidate>;

const char* const kNames[] = {"prefix_affinity", "least_loaded", "round_robin"};

std::unique_ptr<RoutingPolicy> Make(const std::string& name) { return MakePolicy(name).value(); }

struct Case {
  const char* what;
  RequestTraits traits;
  Candidates candidates;
  size_t prefix_affinity, least_loaded, round_robin;  // who is chosen
};

const Case kCases[] = {
    {"a single one takes all", {.prompt_tokens = 100, .ordinal = 5}, {{.sequences = 900, .max_sequences = 1}}, 0, 0, 0},
    {"equal ones share by the ordinal", {.ordinal = 7}, {{}, {}, {}}, 1, 1, 1},
    {"a cached prefix draws", {.prompt_tokens = 640}, {{}, {.cached_tokens = 512}, {}}, 1, 0, 0},
    {"a short prefix does not outweigh load",
     {.prompt_tokens = 640},
     {{.max_sequences = 8}, {.cached_tokens = 64, .sequences = 4, .max_sequences = 8}},
     0, 0, 0},
    {"a long prefix outweighs load",
     {.prompt_tokens = 640},
     {{.max_sequences = 8}, {.cached_tokens = 512, .sequences = 4, .max_sequences = 8}},
     1, 0, 0},
    {"even a long prefix does not outweigh a queue",
     {.prompt_tokens = 640},
     {{.max_sequences = 8}, {.cached_tokens = 512, .sequences = 8, .max_sequences = 8}},
     0, 0, 0},
    {"prompts that wait are load", {.prompt_tokens = 10, .ordinal = 1}, {{}, {.queued_tokens = 200}}, 0, 0, 1},
    {"whoever can run it at once comes before whoever is full",
     {.prompt_tokens = 10},
     {{.sequences = 2, .max_sequences = 2}, {.sequences = 9, .max_sequences = 16}},
     1, 1, 0},
    {"equal costs: the ordinal's turn goes on behind the dearer one",
     {.ordinal = 1},
     {{}, {.queued_tokens = 1}, {}},
     2, 2, 1},
};

TEST(PoliciesTest, Table) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.what);
    EXPECT_EQ(Make("prefix_affinity")->Pick(c.traits, c.candidates), c.prefix_affinity);
    EXPECT_EQ(Make("least_loaded")->Pick(c.traits, c.candidates), c.least_loaded);
    EXPECT_EQ(Make("round_robin")->Pick(c.traits, c.candidates), c.round_robin);
  }
}

TEST(PoliciesTest, NobodyCanTakeIt) {
  for (const char* name : kNames) EXPECT_FALSE(Make(name)->Pick({.prompt_tokens = 3, .ordinal = 9}, {})) << name;
}

TEST(PoliciesTest, AnUnknownNameIsRefusedWithThoseThatThereAre) {
  const Status status = MakePolicy("lucky").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  for (const char* name : kNames) EXPECT_NE(Message(status).find(name), std::string_view::npos);
}

class RandomPools {
 public:
  RequestTraits Traits() { return {.prompt_tokens = Below(4096), .ordinal = random_()}; }
  Candidates Some() {
    Candidates candidates(1 + Below(12));
    for (DecoderCandidate& c : candidates) {
      c = {.cached_tokens = 16 * Below(256), .queued_tokens = Below(8192), .sequences = Below(80), .max_sequences = 1 + Below(64)};
    }
    return candidates;
  }
  int32_t Below(int32_t bound) { return static_cast<int32_t>(random_() % bound); }

 private:
  std::mt19937 random_{20260730};
};

TEST(PoliciesTest, TheSameViewAndTraitsGiveTheSameChoice) {
  RandomPools pools;
  for (int round = 0; round < 2000; ++round) {
    const RequestTraits traits = pools.Traits();
    const Candidates candidates = pools.Some();
    for (const char* name : kNames) {
      const auto choice = Make(name)->Pick(traits, candidates);
      ASSERT_TRUE(choice);
      ASSERT_LT(*choice, candidates.size());
      ASSERT_EQ(choice, Make(name)->Pick(traits, candidates)) << name;
    }
  }
}

// Taking load off the chosen one, or giving it more of the prompt, never makes another better.
TEST(PoliciesTest, WhoIsChosenStaysChosenWhenItGetsBetter) {
  RandomPools pools;
  for (int round = 0; round < 2000; ++round) {
    const RequestTraits traits = pools.Traits();
    Candidates candidates = pools.Some();
    for (const char* name : kNames) {
      const size_t choice = *Make(name)->Pick(traits, candidates);
      Candidates better = candidates;
      better[choice].cached_tokens += 16;
      better[choice].queued_tokens /= 2;
      better[choice].sequences /= 2;
      ASSERT_EQ(Make(name)->Pick(traits, better), choice) << name;
    }
  }
}

TEST(PoliciesTest, LeastLoadedNeverTakesOneThatIsWorseInEverything) {
  RandomPools pools;
  for (int round = 0; round < 2000; ++round) {
    const Candidates candidates = pools.Some();
    const DecoderCandidate& chosen = candidates[*Make("least_loaded")->Pick(pools.Traits(), candidates)];
    for (const DecoderCandidate& other : candidates) {
      ASSERT_FALSE(other.queued_tokens < chosen.queued_tokens && other.sequences < chosen.sequences &&
                   other.max_sequences >= chosen.max_sequences);
    }
  }
}

TEST(PoliciesTest, RoundRobinAndEqualLoadGiveEveryoneTheSameShare) {
  const Candidates equal(5);
  for (const char* name : kNames) {
    std::vector<int> taken(equal.size());
    for (uint64_t ordinal = 0; ordinal < 100; ++ordinal) ++taken[*Make(name)->Pick({.prompt_tokens = 50, .ordinal = ordinal}, equal)];
    EXPECT_EQ(taken, std::vector<int>(5, 20)) << name;
  }
}

}  // namespace
}  // namespace triptych::router
