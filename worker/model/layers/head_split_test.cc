#include "worker/model/layers/head_split.h"

#include <numeric>
#include <set>

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
}

TEST(SplitHeadsTest, KvHeadsGoWithTheirQueries) {
  const HeadSplit split = Split(8, 4, 1, 2);
  EXPECT_EQ(split.kv_heads, 2);
  EXPECT_EQ(split.group, 2);
  EXPECT_THAT(split.qkv_rows, ElementsAre(Range{80, 160}));
}

TEST(SplitHeadsTest, RanksShareAKvHeadWhereThereAreFewer) {
  // Two kv heads of four queries each, packed in 60 rows: q q q q k v.
  EXPECT_THAT(Split(8, 2, 0, 4).qkv_rows, ElementsAre(Range{0, 20}, Range{40, 60}));
  EXPECT_THAT(Split(8, 2, 1, 4).qkv_rows, ElementsAre(Range{20, 40}, Range{40, 60}));
  EXPECT_THAT(Split(8, 2, 3, 4).qkv_rows, ElementsAre(Range{80, 100}, Range{100, 120}));
  EXPECT_EQ(Split(8, 2, 3, 4).kv_heads, 1);
  EXPECT_EQ(Split(8, 2, 3, 4).group, 2);
}

TEST(SplitHeadsTest, EveryQueryHeadHasExactlyOneRank) {
  for (const int64_t kv_heads : {1, 2, 4, 8}) {
    for (const int size : {1, 2, 4, 8}) {
      std::multiset<int64_t> rows;
      int64_t heads = 0;
      for (int rank = 0; rank < size; ++rank) {
        const HeadSplit split = Split(8, kv_heads, rank, size);
        heads += split.query_heads();
        for (const Range& range : split.qkv_rows) {
          for (int64_t row = range.begin; row < range.end; row += kDim) rows.insert(row / kDim);
        }
      }
      EXPECT_EQ(heads, 8);
      const int64_t group = 8 / kv_heads;
      for (int64_t head = 0; head < kv_heads * (group + 2); ++head) {
        const bool is_query = head % (group + 2) < group;
        const size_t copies = is_query ? 1 : std::max<size_t>(1, size / kv_heads);
        EXPECT_EQ(rows.count(head), copies) << kv_heads << " " << size << " " << head;
      }
    }
  }
}

TEST(SplitHeadsTest, RefusesRanksThatDoNotDivide) {
  for (const auto& [heads, kv_heads, size] :
       {std::array{8, 2, 3}, std::array{6, 2, 4}, std::array{12, 3, 2}, std::array{2, 2, 4}}) {
    const auto split = SplitHeads(heads, kv_heads, kDim, 0, size);
    EXPECT_EQ(split.status().code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(Message(split.status())), HasSubstr("tensor parallel"));
  }
}

}  // namespace
}  // namespace triptych::model::layers
