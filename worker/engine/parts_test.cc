// The engine's small parts: blocks, prefix cache, choices, beams.
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/engine/beam_search.h"
#include "worker/engine/block_pool.h"
#include "worker/engine/choices.h"
#include "worker/engine/prefix_cache.h"

namespace triptych::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(BlockPool, HeldFreeAndKeptAddUp) {
  BlockPool pool(3);
  std::vector<BlockId> evicted;
  pool.OnEvict([&](BlockId id) { evicted.push_back(id); });
  const BlockId a = *pool.Allocate(), b = *pool.Allocate();
  pool.Hold(a);
  pool.SetCached(a, true);
  pool.Release(a);
  EXPECT_EQ(pool.holders(a), 1);
  pool.Release(a);
  EXPECT_EQ(pool.num_kept(), 1);
  EXPECT_EQ(pool.num_available(), 2);
  EXPECT_TRUE(pool.Allocate());
  EXPECT_THAT(evicted, IsEmpty());
  EXPECT_EQ(pool.Allocate(), a);
  EXPECT_THAT(evicted, ElementsAre(a));
  EXPECT_FALSE(pool.Allocate());
  pool.Release(b);
  EXPECT_EQ(pool.Allocate(), b);
}

TEST(BlockPool, AKeptBlockMayBeHeldAgain) {
  BlockPool pool(1);
  const BlockId a = *pool.Allocate();
  pool.SetCached(a, true);
  pool.Release(a);
  pool.Hold(a);
  EXPECT_EQ(pool.num_available(), 0);
  EXPECT_FALSE(pool.Allocate());
}

class PrefixCacheTest : public testing::Test {
 protected:
  // Stores a whole sequence's full blocks, as if computed, and lets go of them.
  void Store(const std::string& salt, const std::vector<TokenId>& ids, const std::vector<KeyedSpan>& images = {}) {
    PrefixCache::Cursor cursor;
    std::vector<BlockId> held;
    for (size_t i = 0; i + kBlockTokens <= ids.size(); i += kBlockTokens) {
      held.push_back(*pool_.Allocate());
      cache_.Store(salt, std::span(ids).subspan(i, kBlockTokens), images, held.back(), &cursor);
    }
    for (auto id = held.rbegin(); id != held.rend(); ++id) pool_.Release(*id);
  }
  size_t Match(const std::string& salt, const std::vector<TokenId>& ids, const std::vector<KeyedSpan>& images = {}) {
    PrefixCache::Cursor cursor;
    const auto blocks = cache_.Match(salt, ids, images, static_cast<int32_t>(ids.size()), &cursor);
    for (const BlockId id : blocks) pool_.Release(id);
    return blocks.size();
  }
  BlockPool pool_{16};
  // Every block hashes alike: only the exact comparison tells them apart.
  PrefixCache cache_{&pool_, nullptr, [](auto...) { return uint64_t{42}; }};
};

TEST_F(PrefixCacheTest, EqualHashesAreNotEqualBlocks) {
  const std::vector<TokenId> a(48, 1), b(48, 2);
  std::vector<TokenId> mixed = a;
  std::fill(mixed.begin() + 16, mixed.end(), 2);
  Store("s", a);
  EXPECT_EQ(Match("s", a), 3u);
  EXPECT_EQ(Match("s", b), 0u);
  EXPECT_EQ(Match("t", a), 0u);
  EXPECT_EQ(Match("s", mixed), 1u);
  Store("s", b);
  EXPECT_EQ(Match("s", b), 3u);
  EXPECT_EQ(Match("s", mixed), 1u) << "b's second block has another beginning";
}

TEST_F(PrefixCacheTest, PicturesAndTheirRowsCount) {
  const std::vector<TokenId> ids(48, kImageRow);
  KeyedSpan image{0, 48, {}}, shifted{-16, 64, {}}, other{0, 48, {}};
  other.key.digest[0] = 9;
  Store("s", ids, {image});
  EXPECT_EQ(Match("s", ids, {image}), 3u);
  EXPECT_EQ(Match("s", ids, {other}), 0u);
  EXPECT_EQ(Match("s", ids, {shifted}), 0u);
}

TEST_F(PrefixCacheTest, ChildrenOfAnEvictedBlockAreNotFound) {
  const std::vector<TokenId> a(48, 1);
  Store("s", a);
  std::vector<BlockId> taken;
  while (pool_.num_available() > 2) taken.push_back(*pool_.Allocate());  // evicts the chain's last block
  EXPECT_EQ(Match("s", a), 2u);
  for (const BlockId id : taken) pool_.Release(id);
}

TEST(Choices, FollowsPrefixes) {
  const std::vector<std::vector<TokenId>> choices = {{1, 2, 3}, {1, 2}, {4}};
  EXPECT_THAT(FollowChoices(choices, {}).next, ElementsAre(1, 4));
  const std::vector<TokenId> one = {1}, two = {1, 2}, end = {1, 2, 3};
  EXPECT_THAT(FollowChoices(choices, one).next, ElementsAre(2));
  EXPECT_TRUE(FollowChoices(choices, two).complete);
  EXPECT_THAT(FollowChoices(choices, two).next, ElementsAre(3));
  EXPECT_TRUE(FollowChoices(choices, end).complete);
  EXPECT_THAT(FollowChoices(choices, end).next, IsEmpty());
}

using Outputs = std::vector<std::vector<TokenId>>;
using Candidates = std::vector<std::vector<TokenLogprob>>;

TEST(BeamSearch, KeepsTheBestSumsAcrossBeams) {
  BeamSearch search(2, 1, {0});
  auto beams = search.Advance(Outputs{{}}, Candidates{{{5, -1}, {6, -2}, {7, -3}, {8, -4}}});
  ASSERT_EQ(beams.size(), 2u);
  EXPECT_EQ(beams[1].token, 6);
  beams = search.Advance(Outputs{{5}, {6}}, Candidates{{{1, -3}, {2, -4}}, {{3, -0.5f}, {4, -9}}});
  ASSERT_EQ(beams.size(), 2u);
  EXPECT_EQ(beams[0].parent, 1);  // -2.5 before -4
  EXPECT_EQ(beams[0].token, 3);
  EXPECT_EQ(beams[1].parent, 0);
}

TEST(BeamSearch, AStopBelowTheFirstRanksDoesNotCount) {
  BeamSearch search(2, 1, {0});
  search.Advance(Outputs{{}}, Candidates{{{5, -1}, {6, -2}, {0, -3}, {8, -4}}});
  const auto best = search.Finish(Outputs{{5}, {6}}, 2);
  EXPECT_THAT(best[0].output, ElementsAre(5));
  EXPECT_THAT(best[1].output, ElementsAre(6));
}

TEST(BeamSearch, EndsWhenNothingCanImprove) {
  BeamSearch search(1, 1, {0});
  EXPECT_EQ(search.Advance(Outputs{{}}, Candidates{{{0, -0.1f}, {5, -3}}}).size(), 1u);  // -0.1 over two would be better
  EXPECT_TRUE(search.Advance(Outputs{{5}}, Candidates{{{6, -1}, {7, -2}}}).empty());      // -4 over three would not
  EXPECT_TRUE(search.done());
  const auto best = search.Finish(Outputs{{5}}, 1);
  ASSERT_EQ(best.size(), 1u);
  EXPECT_THAT(best[0].output, IsEmpty());
  EXPECT_NEAR(best[0].score, -0.1, 1e-6);  // one BOS long
}

}  // namespace
}  // namespace triptych::engine
