#include "worker/model/layers/range.h"

#include <string>

#include "gtest/gtest.h"

namespace triptych::model::layers {
namespace {

TEST(PartOfTest, TheFirstPartsHaveOneMore) {
  EXPECT_EQ(PartOf(8, 1, 2), (Range{4, 8}));
  EXPECT_EQ(PartOf(3, 0, 2), (Range{0, 2}));
  EXPECT_EQ(PartOf(3, 1, 2), (Range{2, 3}));
  EXPECT_EQ(PartOf(1, 1, 2), (Range{1, 1}));  // fewer things than parts: the last are empty
}

TEST(PartOfTest, PartsFollowEachOtherAndDifferByOneAtMost) {
  for (int64_t n = 0; n <= 40; ++n) {
    for (int64_t count = 1; count <= 20; ++count) {
      int64_t end = 0;
      for (int64_t index = 0; index < count; ++index) {
        const Range part = PartOf(n, index, count);
        EXPECT_EQ(part.begin, end);
        EXPECT_GE(part.size(), n / count);
        EXPECT_LE(part.size(), (n + count - 1) / count);
        EXPECT_LE(part.size(), PartOf(n, 0, count).size());
        end = part.end;
      }
      EXPECT_EQ(end, n);
    }
  }
}

TEST(CheckRanksTest, NamesWhatIsTooFewAndWhatIsPossible) {
  EXPECT_TRUE(CheckRanks(9, 9, "query heads").ok());
  const Status status = CheckRanks(10, 9, "query heads");
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::string(Message(status)),
            "tensor_parallel: each rank needs one of the model's 9 query heads: "
            "10 ranks wanted, 1 to 9 possible");
}

}  // namespace
}  // namespace triptych::model::layers
