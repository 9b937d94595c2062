#include "common/tokenizer/added_tokens.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

using testing::ElementsAre;

class AddedTokensTest : public testing::Test {
 protected:
  AddedTokensTest() {
    added_.Add({.id = 1, .content = "<a>", .special = true});
    added_.Add({.id = 2, .content = "<a><b>", .special = true});
    added_.Add({.id = 3, .content = "ab", .special = false});
    added_.Add({.id = 4, .content = "bc", .special = false, .normalized = true});
  }
  // "text" or "#id" for each segment that is not empty; the last `untrusted` bytes are not trusted.
  std::vector<std::string> Cut(std::string_view text, size_t untrusted = 0) const {
    std::vector<bool> trusted(text.size(), true);
    std::fill(trusted.end() - static_cast<std::ptrdiff_t>(untrusted), trusted.end(), false);
    std::vector<std::string> parts;
    for (const AddedTokens::Segment& segment : added_.Cut(text, trusted)) {
      if (segment.begin == segment.end) continue;
      parts.push_back(segment.id < 0 ? std::string(text.substr(segment.begin, segment.end - segment.begin)) : "#" + std::to_string(segment.id));
    }
    return parts;
  }
  AddedTokens added_;
};

TEST_F(AddedTokensTest, TheLongestFromTheLeftAreTaken) {
  EXPECT_THAT(Cut("x<a>y"), ElementsAre("x", "#1", "y"));
  EXPECT_THAT(Cut("<a><b><a>"), ElementsAre("#2", "#1"));
  EXPECT_THAT(Cut("<a<a>"), ElementsAre("<a", "#1"));
  EXPECT_THAT(Cut("<b>"), ElementsAre("<b>"));
  EXPECT_THAT(Cut(""), ElementsAre());
}

TEST_F(AddedTokensTest, NormalizedOnesAreFoundInWhatTheOthersLeave) {
  EXPECT_THAT(Cut("abc"), ElementsAre("#3", "c"));
  EXPECT_THAT(Cut("xbcab"), ElementsAre("x", "#4", "#3"));
  EXPECT_THAT(Cut("b<a>c"), ElementsAre("b", "#1", "c"));
}

TEST_F(AddedTokensTest, SpecialOnesNeedTrustInEachByte) {
  EXPECT_THAT(Cut("<a>", 1), ElementsAre("<a>"));
  EXPECT_THAT(Cut("<a><b>", 1), ElementsAre("#1", "<b>"));
  EXPECT_THAT(Cut("<a><a>", 3), ElementsAre("#1", "<a>"));
  EXPECT_THAT(Cut("ab<a>", 5), ElementsAre("#3", "<a>"));
}

TEST(AddedTokens, NoneLeavesTheTextWhole) {
  const auto segments = AddedTokens().Cut("<a>", std::vector<bool>(3, true));
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0].end, 3u);
}

}  // namespace
}  // namespace triptych
