#include "common/picture_index/caption_words.h"

#include "gtest/gtest.h"

namespace triptych {
namespace {

TEST(CaptionWordsTest, ScriptsWithoutSpacesBecomePairs) {
  EXPECT_EQ(CaptionWords("黑猫在睡"), " 黑猫  猫在  在睡 ");
  EXPECT_EQ(CaptionWords("猫"), " 猫 ");
  EXPECT_EQ(CaptionWords("ねこ cat"), " ねこ  cat");
}

TEST(CaptionWordsTest, PunctuationOfAsciiGoesAndOtherScriptsStay) {
  EXPECT_EQ(CaptionWords("a cat's \"box\"; -NEAR(x*)"), "a cat s  box    NEAR x  ");
  EXPECT_EQ(CaptionWords("Кошка, größe"), "Кошка  größe");
}

TEST(CaptionWordsTest, BytesThatAreNoTextBecomeSpaces) {
  EXPECT_EQ(CaptionWords("a\xff\xc3 b"), "a   b");
}

TEST(CaptionQueryTest, NamesEveryWordOnce) {
  EXPECT_EQ(CaptionQuery("Two cats"), "\"Two\" OR \"cats\"");
  EXPECT_EQ(CaptionQuery("  \"*\" "), "");
  EXPECT_EQ(CaptionQuery(""), "");
}

TEST(CaptionQueryTest, FunctionWordsFindNothing) {
  EXPECT_EQ(CaptionQuery("A tractor on the farm with its driver"), "\"tractor\" OR \"farm\" OR \"driver\"");
  EXPECT_EQ(CaptionQuery("With a"), "");
}

TEST(CaptionQueryTest, IsBounded) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "word ";
  EXPECT_LT(CaptionQuery(text).size(), 64 * 12u);
  EXPECT_EQ(VectorWords(text).size(), 64 * 5u);
}

TEST(VectorWordsTest, AreWhatTellsSomething) {
  EXPECT_EQ(VectorWords("A Tractor on the farm, with its driver!"), " tractor farm driver");
  EXPECT_EQ(VectorWords("Größe\n一只黑猫"), " größe 一只黑猫");
  EXPECT_EQ(VectorWords("To be"), " to be");
  EXPECT_EQ(VectorWords(" - "), "");
  EXPECT_EQ(VectorWords(""), "");
}

}  // namespace
}  // namespace triptych
