#include "router/compose/article_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych::router {
namespace {

using testing::ElementsAre;

TEST(SplitParagraphsTest, TakesTheLinesThatAreNotBlank) {
  EXPECT_THAT(SplitParagraphs("\n\n One\n\n \t\nTwo \r\n\u3000\u3000三\n\u3000\n"),
              ElementsAre("One", "Two ", "三"));
  EXPECT_THAT(SplitParagraphs(" \n\u3000\n"), ElementsAre());
  EXPECT_THAT(SplitParagraphs(""), ElementsAre());
}

TEST(SplitParagraphsTest, IsBounded) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "line\n";
  EXPECT_EQ(SplitParagraphs(text).size(), kMaxParagraphs);
}

TEST(SplitParagraphsTest, SurvivesBytesThatAreNoText) {
  EXPECT_EQ(SplitParagraphs("\xff\xe3\x80\n\xe3").size(), 2u);
}

TEST(TitleTest, IsTheHeadingOrTheInstruction) {
  const auto title = [](std::vector<std::string> paragraphs) {
    return TitleOf(paragraphs, "Write about cats.\nIn verse.").text;
  };
  EXPECT_EQ(title({"# Cats", "x"}), "Cats");
  EXPECT_EQ(title({"**Title: Cats**"}), "Cats");
  EXPECT_EQ(title({"标题：猫"}), "猫");
  EXPECT_EQ(title({"#hashtag"}), "Write about cats.");
  EXPECT_EQ(title({"####### seven"}), "Write about cats.");
  EXPECT_EQ(title({"#"}), "Write about cats.");
  EXPECT_EQ(title({}), "Write about cats.");
  EXPECT_TRUE(TitleOf(std::vector<std::string>{"## A"}, "x").is_first_paragraph);
  EXPECT_EQ(TitleOf({}, std::string(1000, 'a')).text.size(), 120u);
}

TEST(LanguageTest, IsAWishBehindTheInstruction) {
  EXPECT_EQ(WithLanguage("Cats", ""), "Cats");
  EXPECT_EQ(WithLanguage("Cats", "de-AT"), "Cats\nWrite in German.");
  EXPECT_EQ(WithLanguage("Cats", "nds"), "Cats\nWrite in the language 'nds'.");
  EXPECT_TRUE(IsLanguageTag("zh-Hans"));
  for (const char* wrong : {"", "en us", "en\"", "de\n"})
    EXPECT_FALSE(IsLanguageTag(wrong)) << wrong;
  EXPECT_FALSE(IsLanguageTag(std::string(36, 'a')));
}

TEST(FirstCharactersTest, CutsBetweenCharacters) {
  EXPECT_EQ(FirstCharacters("猫和狗", 2), "猫和");
  EXPECT_EQ(FirstCharacters("ab", 5), "ab");
  EXPECT_EQ(FirstCharacters("\xff\xffz", 2), "\xff\xff");
}

}  // namespace
}  // namespace triptych::router
