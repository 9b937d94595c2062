#include "common/picture_index/vector_index.h"

#include <limits>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Row = VectorIndex::Row;

std::vector<int64_t> Ids(const VectorIndex& index, const std::vector<float>& query, int64_t count) {
  std::vector<int64_t> ids;
  const std::vector<VectorIndex::Hit> hits = index.Search(query, count).value();
  for (const VectorIndex::Hit& hit : hits) ids.push_back(hit.id);
  return ids;
}

TEST(VectorIndexTest, GivesTheNearestByDirectionBestFirst) {
  const auto index = VectorIndex::Make({{7, {1, 0}}, {8, {0, 5}}, {9, {1, 1}}}).value();
  EXPECT_THAT(Ids(*index, {3, 1}, 2), ElementsAre(7, 9));
  EXPECT_THAT(Ids(*index, {0, 1}, 10), ElementsAre(8, 9, 7));
  const auto hits = index->Search({0, 2}, 1).value();
  EXPECT_FLOAT_EQ(hits[0].cosine, 1);
}

TEST(VectorIndexTest, OfEqualsTheLowerIdIsFirst) {
  const auto index = VectorIndex::Make({{3, {1, 0}}, {5, {2, 0}}, {6, {1, 0}}}).value();
  EXPECT_THAT(Ids(*index, {1, 0}, 3), ElementsAre(3, 5, 6));
}

TEST(VectorIndexTest, NoVectorsFindNothing) {
  EXPECT_TRUE(VectorIndex::Make({}).value()->Search({1, 2}, 5).value().empty());
}

// 300 random vectors that point in one of two directions, and a query that is like one of them but for that.
TEST(VectorIndexTest, WhatAllHaveInCommonDoesNotCount) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  constexpr int kDimensions = 32;
  std::vector<Row> rows;
  for (int id = 0; id < 300; ++id) {
    Row row{id, {}};
    for (int i = 0; i < kDimensions; ++i) row.values.push_back(normal(random));
    row.values[0] += 10;                             // the mean
    row.values[1] += id % 2 == 0 ? 20.0F : -20.0F;   // the main direction
    rows.push_back(std::move(row));
  }
  const auto index = VectorIndex::Make(rows).value();
  std::vector<float> query = rows[41].values;
  query[1] = 20;  // as those have it that are not like it
  EXPECT_EQ(Ids(*index, query, 1).front(), 41);
}

TEST(VectorIndexTest, EqualVectorsAreLikeNothingOnceThereAreMany) {
  std::vector<Row> rows;
  for (int id = 0; id < 300; ++id) rows.push_back({id, {1, 2, 3}});
  const auto index = VectorIndex::Make(rows).value();
  const std::vector<VectorIndex::Hit> hits = index->Search({3, 2, 1}, 3).value();
  ASSERT_EQ(hits.size(), 3u);
  for (const VectorIndex::Hit& hit : hits) EXPECT_NEAR(hit.cosine, 0, 1e-3);
}

TEST(VectorIndexTest, WhatIsWrongIsNamed) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto problem = [](const std::vector<Row>& rows) {
    const auto made = VectorIndex::Make(rows);
    EXPECT_EQ(made.status().code(), StatusCode::kInvalidArgument);
    return std::string(Message(made.status()));
  };
  EXPECT_THAT(problem({{1, {1, 2}}, {2, {1}}}), HasSubstr("vector 2 has 1 dimensions, others 2"));
  EXPECT_THAT(problem({{4, {0, 0}}}), HasSubstr("vector 4 has no direction"));
  EXPECT_THAT(problem({{5, {nan, 0}}}), HasSubstr("vector 5 has no direction"));
  EXPECT_THAT(problem({{6, {}}}), HasSubstr("vector 6 has 0 dimensions"));
  const auto index = VectorIndex::Make({{1, {1, 2}}}).value();
  EXPECT_EQ(index->Search({1, 2, 3}, 1).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(index->Search({nan, 1}, 1).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace triptych
