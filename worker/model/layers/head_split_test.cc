#include "worker/model/layers/head_split.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych::model::layers {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kDim = 10;

HeadSplit Split(int64_t heads, int64_t kv_heads, int rank, int size) {
  const auto split = SplitHeads(heads, kv_heads, kDim, rank, size);
  EXPECT_TRUE(split.ok()) << split.status();
  return *split;
}

TEST(SplitHeadsTest, OneRankHasAll) {
  const HeadSplit split = Split(8, 2, 0, 1);
  EXPECT_EQ(split.kv_heads, 2);
  EXPECT_EQ(split.group, 4);
  EXPECT_THAT(split.qkv_rows, ElementsAre(Range{0, 120}));
  EXPECT_EQ(split.query_features, (Range{0, 80}));
}

TEST(SplitHeadsTest, KvHeadsGoWithTheirQueries) {
  const HeadSplit split = Split(8, 4, 1, 2);
  EXPECT_EQ(split.kv_heads, 2);
  EXPECT_EQ(split.group, 2);
  EXPECT_THAT(split.qkv_rows, ElementsAre(Range{80, 160}));
  EXPECT_EQ(split.query_features, (Range{40, 80}));
}

TEST(SplitHeadsTest, TheFirstRanksHaveOneMore) {
  // Three kv heads of three queries each, packed in 50 rows: q q q k v.
  EXPECT_THAT(Split(9, 3, 0, 2).qkv_rows, ElementsAre(Range{0, 100}));
  EXPECT_THAT(Split(9, 3, 1, 2).qkv_rows, ElementsAre(Range{100, 150}));
  EXPECT_EQ(Split(9, 3, 0, 2).query_features, (Range{0, 60}));
  EXPECT_EQ(Split(9, 3, 1, 2).query_features, (Range{60, 90}));
}

TEST(SplitHeadsTest, RanksShareAKvHeadWhereThereAreFewer) {
  // Two kv heads of four queries each, packed in 60 rows: q q q q k v.
  EXPECT_THAT(Split(8, 2, 0, 4).qkv_rows, ElementsAre(Range{0, 20}, Range{40, 60}));
  EXPECT_THAT(Split(8, 2, 1, 4).qkv_rows, ElementsAre(Range{20, 40}, Range{40, 60}));
  EXPECT_THAT(Split(8, 2, 3, 4).qkv_rows, ElementsAre(Range{80, 100}, Range{100, 120}));
  EXPECT_EQ(Split(8, 2, 3, 4).kv_heads, 1);
  EXPECT_EQ(Split(8, 2, 3, 4).group, 2);
  EXPECT_EQ(Split(8, 2, 3, 4).query_features, (Range{60, 80}));
}

TEST(SplitHeadsTest, SharersOfAKvHeadNeedNotHaveEquallyManyQueries) {
  EXPECT_THAT(Split(9, 3, 0, 4).qkv_rows, ElementsAre(Range{0, 20}, Range{30, 50}));
  EXPECT_THAT(Split(9, 3, 1, 4).qkv_rows, ElementsAre(Range{20, 30}, Range{30, 50}));
  EXPECT_THAT(Split(9, 3, 2, 4).qkv_rows, ElementsAre(Range{50, 80}, Range{80, 100}));
  EXPECT_EQ(Split(9, 3, 1, 4).query_features, (Range{20, 30}));
}

TEST(SplitHeadsTest, RefusesMoreRanksThanQueryHeads) {
  const auto split = SplitHeads(9, 3, kDim, 0, 10);
  EXPECT_EQ(split.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(split.status())), HasSubstr("9 query heads"));
}

// What holds for any (query heads, kv heads), over all sizes of a group.
class AnyHeadsTest : public ::testing::TestWithParam<std::tuple<int64_t, int64_t>> {
 protected:
  const int64_t kv_heads_ = std::get<0>(GetParam());
  const int64_t group_ = std::get<1>(GetParam());
  const int64_t heads_ = kv_heads_ * group_;

  // Heads of the fused projection, `group_` + 2 for each kv head, in the order in which a rank
  // holds them.
  std::vector<int64_t> Held(const HeadSplit& split) const {
    std::vector<int64_t> held;
    for (const Range& rows : split.qkv_rows) {
      EXPECT_EQ(rows.begin % kDim, 0);
      EXPECT_EQ(rows.end % kDim, 0);
      EXPECT_LT(rows.begin, rows.end);
      for (int64_t head = rows.begin / kDim; head < rows.end / kDim; ++head) held.push_back(head);
    }
    return held;
  }
  // The same, by the query heads that a rank's features say.
  std::vector<int64_t> Wanted(const HeadSplit& split) const {
    std::vector<int64_t> wanted;
    const int64_t packed = group_ + 2;
    const Range heads{split.query_features.begin / kDim, split.query_features.end / kDim};
    for (int64_t head = heads.begin; head < heads.end; ++head) {
      const int64_t kv_head = head / group_;
      wanted.push_back(kv_head * packed + head % group_);
      const bool is_last_of_group = head + 1 == heads.end || (head + 1) % group_ == 0;
      if (!is_last_of_group) continue;
      wanted.push_back(kv_head * packed + group_);
      wanted.push_back(kv_head * packed + group_ + 1);
    }
    return wanted;
  }
};

TEST_P(AnyHeadsTest, EveryQueryHeadHasOneRankWithItsKeysAndValues) {
  for (int size = 1; size <= heads_; ++size) {
    int64_t end = 0;
    for (int rank = 0; rank < size; ++rank) {
      const HeadSplit split = Split(heads_, kv_heads_, rank, size);
      EXPECT_EQ(split.query_features.begin, end) << size << " " << rank;
      EXPECT_EQ(split.query_features.size(), split.query_heads() * kDim);
      EXPECT_GT(split.query_heads(), 0);
      EXPECT_EQ(Held(split), Wanted(split)) << size << " " << rank;
      EXPECT_EQ(split.kv_features.begin / kDim, split.query_features.begin / (group_ * kDim));
      EXPECT_EQ(split.kv_features.size(), split.kv_heads * kDim);
      end = split.query_features.end;
    }
    EXPECT_EQ(end, heads_ * kDim) << size;
  }
}

TEST_P(AnyHeadsTest, RanksDifferByOneGroupAtMost) {
  for (int size = 1; size <= heads_; ++size) {
    const HeadSplit first = Split(heads_, kv_heads_, 0, size);
    std::vector<int64_t> queries;
    std::vector<int64_t> keys;
    for (int rank = 0; rank < size; ++rank) {
      const HeadSplit split = Split(heads_, kv_heads_, rank, size);
      queries.push_back(split.query_heads());
      keys.push_back(split.kv_heads);
    }
    const auto [fewest, most] = std::minmax_element(queries.begin(), queries.end());
    EXPECT_LE(*most - *fewest, group_) << size;
    EXPECT_EQ(first.kv_heads, *std::max_element(keys.begin(), keys.end())) << size;
    EXPECT_EQ(first.kv_heads, std::max<int64_t>(1, (kv_heads_ + size - 1) / size)) << size;
    const bool is_even =
        size <= kv_heads_ ? kv_heads_ % size == 0 : size % kv_heads_ == 0 && heads_ % size == 0;
    EXPECT_TRUE(*most == *fewest || !is_even) << size;
  }
}

TEST_P(AnyHeadsTest, MoreRanksAreRefused) {
  const int size = static_cast<int>(heads_) + 1;
  EXPECT_EQ(SplitHeads(heads_, kv_heads_, kDim, 0, size).status().code(),
            StatusCode::kFailedPrecondition);
}

INSTANTIATE_TEST_SUITE_P(Heads,
                         AnyHeadsTest,
                         ::testing::Combine(::testing::Values(1, 2, 3, 5, 8),
                                            ::testing::Values(1, 2, 3, 4, 7)));

}  // namespace
}  // namespace triptych::model::layers
