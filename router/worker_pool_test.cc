#include "router/worker_pool.h"

#include <algorithm>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych::router {
namespace {

using internal::v1::WorkerState;
using testing::ElementsAre;

constexpr auto kReady = internal::v1::WORKER_STATE_READY;
const std::string kCard(32, 'c');

class WorkerPoolTest : public testing::Test {
 protected:
  internal::v1::Worker& Add(const std::string& id, internal::v1::WorkerRole role, uint64_t incarnation) {
    internal::v1::Worker& worker = view_.workers[id];
    worker.Clear();
    internal::v1::Register& registration = *worker.mutable_registration();
    registration.set_worker_id(id);
    registration.set_incarnation(incarnation);
    registration.add_roles(role);
    registration.set_address("host-" + id + ":1");
    registration.mutable_model()->set_name("m");
    registration.mutable_model()->set_card_digest(kCard);
    registration.mutable_model()->set_weights_digest("weights");
    registration.mutable_model()->set_numerics("cpu-f32-tp1");
    registration.mutable_capacity()->set_max_sequences(8);
    worker.set_state(kReady);
    worker.set_leads(role == internal::v1::WORKER_ROLE_DECODER);
    return worker;
  }
  internal::v1::Worker& Decoder(const std::string& id, uint64_t incarnation) {
    return Add(id, internal::v1::WORKER_ROLE_DECODER, incarnation);
  }
  internal::v1::Worker& Encoder(const std::string& id, uint64_t incarnation) {
    return Add(id, internal::v1::WORKER_ROLE_ENCODER, incarnation);
  }
  void Publish() { pool_.Update(std::make_shared<const ClusterView>(view_)); }

  WorkerPool::DecoderWish Wish() const { return {.model = "m", .card_digest = kCard, .prompt_tokens = 100}; }
  std::string Pick(const WorkerPool::DecoderWish& wish) {
    const WorkLease lease = pool_.PickDecoder(wish);
    return lease ? lease->id() : "";
  }
  std::string PickEncoder(const std::string& key, const std::set<uint64_t>& excluded = {}) {
    const WorkLease lease = pool_.PickEncoder(kCard, key, 1, excluded);
    return lease ? lease->id() : "";
  }
  // The workers that take pictures when nothing else is going on, by picture.
  std::vector<std::string> Homes(int pictures) {
    std::vector<std::string> homes;
    for (int i = 0; i < pictures; ++i) homes.push_back(PickEncoder(std::to_string(i)));
    return homes;
  }

  ClusterView view_{.coordinator = 1, .version = 1};
  std::vector<std::shared_ptr<WorkerHandle>> decoders_;  // as they were announced
  WorkerPool pool_{MakePolicy("prefix_affinity").value(), [this](std::shared_ptr<WorkerHandle> handle) { decoders_.push_back(std::move(handle)); }};
};

TEST_F(WorkerPoolTest, OnlyReadyWorkersGetWork) {
  for (int state = internal::v1::WORKER_STATE_UNSPECIFIED; state <= internal::v1::WORKER_STATE_GONE; ++state) {
    Decoder("d", 1).set_state(static_cast<WorkerState>(state));
    Encoder("e", 2).set_state(static_cast<WorkerState>(state));
    Publish();
    EXPECT_EQ(Pick(Wish()), state == kReady ? "d" : "") << state;
    EXPECT_EQ(PickEncoder("picture"), state == kReady ? "e" : "") << state;
    EXPECT_EQ(pool_.CountReady("m"), std::pair(int{state == kReady}, int{state == kReady})) << state;
  }
}

TEST_F(WorkerPoolTest, StreamsGoToTheLeaderOfAGroup) {
  Decoder("follower", 1).set_leads(false);
  Publish();
  EXPECT_EQ(Pick(Wish()), "");
  Decoder("leader", 2);
  Publish();
  EXPECT_EQ(Pick(Wish()), "leader");
  EXPECT_EQ(decoders_.size(), 1u);
}

TEST_F(WorkerPoolTest, AWorkerTakesOnlyItsOwnRoleAndModel) {
  Decoder("d", 1);
  Publish();
  EXPECT_EQ(PickEncoder("picture"), "");
  WorkerPool::DecoderWish wish = Wish();
  wish.model = "another";
  EXPECT_EQ(Pick(wish), "");
  wish = Wish();
  wish.card_digest = std::string(32, 'x');
  EXPECT_EQ(Pick(wish), "");
  EXPECT_EQ(pool_.CountReady("another"), std::pair(0, 0));
  Encoder("e", 2).mutable_registration()->mutable_model()->set_card_digest(std::string(32, 'x'));
  Publish();
  EXPECT_EQ(PickEncoder("picture"), "");
}

TEST_F(WorkerPoolTest, AStreamGoesOnUnderItsOwnNumericsAndWeightsOnly) {
  Decoder("f32", 1);
  Decoder("bf16", 2).mutable_registration()->mutable_model()->set_numerics("cuda-bf16-tp2");
  Decoder("other weights", 3).mutable_registration()->mutable_model()->set_weights_digest("others");
  Publish();
  WorkerPool::DecoderWish wish = Wish();
  wish.numerics = "cpu-f32-tp1";
  wish.weights_digest = "weights";
  for (int i = 0; i < 6; ++i) EXPECT_EQ(Pick(wish), "f32");
  wish.excluded = {1};
  EXPECT_EQ(Pick(wish), "");
  wish.numerics.clear();
  EXPECT_NE(Pick(wish), "");
}

TEST_F(WorkerPoolTest, ExcludedIncarnationsGetNothing) {
  Decoder("a", 1);
  Decoder("b", 2);
  Encoder("e", 3);
  Encoder("f", 4);
  Publish();
  WorkerPool::DecoderWish wish = Wish();
  wish.excluded = {1};
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Pick(wish), "b");
  EXPECT_EQ(PickEncoder("picture", {3}), "f");
  EXPECT_EQ(PickEncoder("picture", {4}), "e");
  EXPECT_EQ(PickEncoder("picture", {3, 4}), "");
  wish.excluded = {1, 2};
  EXPECT_EQ(Pick(wish), "");
  Decoder("a", 5);  // anew: not the one that was excluded
  Publish();
  EXPECT_EQ(Pick(wish), "a");
}

TEST_F(WorkerPoolTest, ANewIncarnationFencesTheOld) {
  Decoder("a", 1);
  Publish();
  const WorkLease lease = pool_.PickDecoder(Wish());
  int cancelled = 0, forgotten = 0;
  lease->OnFenced([&] { ++cancelled; });
  lease->Forget(lease->OnFenced([&] { ++forgotten; }));
  Publish();  // the same again
  EXPECT_FALSE(lease->fenced());
  Decoder("a", 2);
  Publish();
  EXPECT_TRUE(lease->fenced());
  EXPECT_EQ(cancelled, 1);
  EXPECT_EQ(forgotten, 0);
  lease->OnFenced([&] { ++cancelled; });  // too late: at once
  EXPECT_EQ(cancelled, 2);
  ASSERT_EQ(decoders_.size(), 2u);
  EXPECT_EQ(decoders_[0], lease.worker());
  EXPECT_FALSE(decoders_[1]->fenced());
  EXPECT_EQ(decoders_[1]->sequences, 0);
}

TEST_F(WorkerPoolTest, AWorkerThatIsGoneIsFencedButASuspectIsNot) {
  Decoder("a", 1).set_state(kReady);
  Publish();
  Decoder("a", 1).set_state(internal::v1::WORKER_STATE_SUSPECT);
  Publish();
  EXPECT_FALSE(decoders_[0]->fenced());
  EXPECT_EQ(Pick(Wish()), "");
  view_.workers.clear();
  Publish();
  EXPECT_TRUE(decoders_[0]->fenced());
}

TEST_F(WorkerPoolTest, AnnouncesADecoderOnceWhenItIsFirstReady) {
  Decoder("a", 1).set_state(internal::v1::WORKER_STATE_LOADING);
  Publish();
  EXPECT_TRUE(decoders_.empty());
  for (const WorkerState state : {kReady, internal::v1::WORKER_STATE_SUSPECT, kReady}) {
    Decoder("a", 1).set_state(state);
    Publish();
    EXPECT_EQ(decoders_.size(), 1u);
  }
}

TEST_F(WorkerPoolTest, KnowsWhetherAViewHasCome) {
  EXPECT_FALSE(pool_.heard());
  Publish();
  EXPECT_TRUE(pool_.heard());
}

TEST_F(WorkerPoolTest, ACachedPrefixDrawsARequestUntilItIsForgotten) {
  Decoder("a", 1);
  Decoder("b", 2);
  Publish();
  WorkerPool::DecoderWish wish = Wish();
  wish.blocks = {11, 12, 13};
  internal::v1::CacheUpdate update;
  update.set_snapshot(true);
  for (const uint64_t hash : {11, 12, 99}) update.add_stored_blocks(hash);
  decoders_[1]->ApplyCache(update);
  EXPECT_EQ(decoders_[1]->MatchBlocks(wish.blocks), 2);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Pick(wish), "b");
  const WorkLease lease = pool_.PickDecoder(wish);
  EXPECT_EQ(lease->queued_tokens, 100 - 2 * kBlockTokens);
  update.Clear();
  update.add_removed_blocks(11);
  decoders_[1]->ApplyCache(update);
  EXPECT_EQ(decoders_[1]->MatchBlocks(wish.blocks), 0);
  EXPECT_EQ(Pick(wish), "a");
  update.set_snapshot(true);
  decoders_[1]->ApplyCache(update);
  EXPECT_EQ(decoders_[1]->MatchBlocks({99}), 0);
}

TEST_F(WorkerPoolTest, LoadIsTheWorkersWordOrOursWhicheverIsMore) {
  Decoder("a", 1).mutable_load()->set_running_sequences(3);
  Decoder("b", 2);
  Publish();
  EXPECT_EQ(Pick(Wish()), "b");
  std::vector<WorkLease> ours;  // of which the workers have not told yet
  for (int i = 0; i < 4; ++i) ours.emplace_back(decoders_[1], 1, 0, 0);
  EXPECT_EQ(Pick(Wish()), "a");
}

TEST_F(WorkerPoolTest, LeasesCountWhileTheyLiveAndLeaveNothing) {
  Decoder("a", 1);
  Encoder("e", 2);
  Publish();
  const WorkLease encoder = pool_.PickEncoder(kCard, "picture", 0, {});
  {
    WorkerPool::DecoderWish wish = Wish();
    wish.sequences = 3;
    WorkLease lease = pool_.PickDecoder(wish);
    EXPECT_EQ(lease->sequences, 3);
    EXPECT_EQ(lease->queued_tokens, 100);
    lease.FirstTokenSeen();
    lease.FirstTokenSeen();
    EXPECT_EQ(lease->queued_tokens, 0);
    WorkLease moved = std::move(lease);
    EXPECT_EQ(moved->sequences, 3);
    moved = pool_.PickDecoder(wish);  // gives back what it held
    EXPECT_EQ(moved->sequences, 3);
    EXPECT_EQ(moved->queued_tokens, 100);
    const WorkLease tiles = pool_.PickEncoder(kCard, "another", 5, {});
    EXPECT_EQ(encoder->tiles, 5);
  }
  EXPECT_EQ(decoders_[0]->sequences, 0);
  EXPECT_EQ(decoders_[0]->queued_tokens, 0);
  EXPECT_EQ(encoder->tiles, 0);
}

TEST_F(WorkerPoolTest, RandomLeasesLeaveNothing) {
  for (uint64_t i = 1; i <= 4; ++i) Decoder("d" + std::to_string(i), i);
  Publish();
  std::mt19937 random(7);
  std::vector<WorkLease> leases;
  for (int round = 0; round < 5000; ++round) {
    const size_t at = leases.empty() ? 0 : random() % leases.size();
    switch (random() % 4) {
      case 0:
      case 1: {
        WorkerPool::DecoderWish wish = Wish();
        wish.sequences = 1 + static_cast<int32_t>(random() % 3);
        wish.prompt_tokens = static_cast<int32_t>(random() % 500);
        leases.push_back(pool_.PickDecoder(wish));
        break;
      }
      case 2:
        if (!leases.empty()) leases[at].FirstTokenSeen();
        break;
      case 3:
        if (!leases.empty()) leases.erase(leases.begin() + static_cast<std::ptrdiff_t>(at));
        break;
    }
    int64_t sequences = 0;
    for (const auto& handle : decoders_) {
      sequences += handle->sequences;
      ASSERT_GE(handle->queued_tokens, 0);
    }
    ASSERT_GE(sequences, static_cast<int64_t>(leases.size()));
  }
  leases.clear();
  for (const auto& handle : decoders_) {
    EXPECT_EQ(handle->sequences, 0);
    EXPECT_EQ(handle->queued_tokens, 0);
  }
}

TEST_F(WorkerPoolTest, TheSamePictureFindsTheSameEncoderAndPicturesSpread) {
  for (uint64_t i = 1; i <= 5; ++i) Encoder("e" + std::to_string(i), i);
  Publish();
  const std::vector<std::string> homes = Homes(1000);
  EXPECT_EQ(Homes(1000), homes);
  std::map<std::string, int> pictures;
  for (const std::string& home : homes) ++pictures[home];
  for (const auto& [id, count] : view_.workers) {
    EXPECT_GT(pictures[id], 140) << id;
    EXPECT_LT(pictures[id], 260) << id;
  }
}

TEST_F(WorkerPoolTest, OnlyThePicturesOfAnEncoderThatLeavesMove) {
  for (uint64_t i = 1; i <= 5; ++i) Encoder("e" + std::to_string(i), i);
  Publish();
  const std::vector<std::string> before = Homes(500);
  view_.workers.erase("e3");
  Publish();
  const std::vector<std::string> after = Homes(500);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_NE(after[i], "e3");
    EXPECT_TRUE(after[i] == before[i] || before[i] == "e3") << i;
  }
  Encoder("e3", 33);  // a new incarnation of the same worker is home to the same pictures
  Publish();
  EXPECT_EQ(Homes(500), before);
}

TEST_F(WorkerPoolTest, NoEncoderHoldsMoreThanItsShareOfTiles) {
  constexpr int64_t kEncoders = 4, kTiles = 6;
  for (uint64_t i = 1; i <= kEncoders; ++i) Encoder("e" + std::to_string(i), i);
  Publish();
  std::mt19937 random(11);
  std::vector<WorkLease> leases;
  std::map<std::string, int64_t> tiles;
  int64_t total = 0;
  for (int picture = 0; picture < 3000; ++picture) {
    if (leases.size() > 40) {
      std::swap(leases[random() % leases.size()], leases.back());
      tiles[leases.back()->id()] -= kTiles;
      total -= kTiles;
      leases.pop_back();
    }
    leases.push_back(pool_.PickEncoder(kCard, std::to_string(picture), kTiles, {}));
    const std::string id = leases.back()->id();
    const bool had_least = std::ranges::all_of(view_.workers, [&](const auto& other) { return tiles[id] <= tiles[other.first]; });
    tiles[id] += kTiles;
    total += kTiles;
    ASSERT_EQ(leases.back()->tiles, tiles[id]);
    // At most 1.25 times the mean, rounded up; where one picture is more than that, it is the one that had least.
    ASSERT_TRUE(had_least || tiles[id] <= (5 * total + 4 * kEncoders - 1) / (4 * kEncoders)) << id;
  }
  leases.clear();
  EXPECT_EQ(pool_.PickEncoder(kCard, "x", 0, {})->tiles, 0);
}

TEST_F(WorkerPoolTest, APictureInFlightIsJoinedWhateverTheLoad) {
  for (uint64_t i = 1; i <= 3; ++i) Encoder("e" + std::to_string(i), i);
  Publish();
  std::vector<WorkLease> same;
  for (int i = 0; i < 20; ++i) same.push_back(pool_.PickEncoder(kCard, "hot", 8, {}));
  for (const WorkLease& lease : same) EXPECT_EQ(lease->id(), same[0]->id());
  EXPECT_EQ(same[0]->tiles, 8);  // it is encoded once
  const std::shared_ptr<WorkerHandle> home = same[0].worker();
  same.erase(same.begin());
  EXPECT_EQ(home->tiles, 0);
  EXPECT_EQ(pool_.PickEncoder(kCard, "hot", 8, {})->id(), home->id());
  EXPECT_NE(pool_.PickEncoder(kCard, "hot", 8, {home->incarnation()})->id(), home->id());
}

TEST_F(WorkerPoolTest, APictureGoesWhereItWasEncodedBefore) {
  for (uint64_t i = 1; i <= 3; ++i) Encoder("e" + std::to_string(i), i);
  Publish();
  const std::string home = PickEncoder("picture");
  const std::string second = PickEncoder("picture", {view_.workers[home].registration().incarnation()});
  const auto handle = pool_.PickEncoder(kCard, "picture", 1, {view_.workers[home].registration().incarnation()}).worker();
  handle->RememberEmbedding("picture");
  EXPECT_EQ(PickEncoder("picture"), second);
  handle->ForgetEmbedding("picture");
  EXPECT_EQ(PickEncoder("picture"), home);
}

}  // namespace
}  // namespace triptych::router
