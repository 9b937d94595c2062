// The prompts of every stage: as tokens, against the published texts written out by hand; and
// answers of all kinds.
#include "router/compose/stage_prompts.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_model_card.h"

namespace triptych::router {
namespace {

using testing::ElementsAre;

// A card with the tokenizer of a golden set, and pictures of four rows.
class GoldenCard final : public fakes::FakeModelCard {
 public:
  GoldenCard(std::string family, const std::string& golden_set)
      : FakeModelCard(1 << 20),
        family_(std::move(family)),
        tokenizer_(LoadTokenizer(TRIPTYCH_TEST_DATA "/golden/" + golden_set).value()) {}
  const std::string& family() const override { return family_; }
  const Tokenizer& tokenizer() const override { return *tokenizer_; }

 private:
  const std::string family_;
  const std::unique_ptr<Tokenizer> tokenizer_;
};

const GoldenCard& V1() {
  static const GoldenCard kCard("internlm-xcomposer", "xcomposer1-tiny");
  return kCard;
}
const GoldenCard& V2() {
  static const GoldenCard kCard("internlm-xcomposer2", "xcomposer2-vl-tiny");
  return kCard;
}
const GoldenCard& V2d5() {
  static const GoldenCard kCard("internlm-xcomposer2d5", "xcomposer2d5-tiny");
  return kCard;
}

// BOS and the text, each "<image>" being four rows, each text between tokenised by itself: as the
// demonstrations' interleav_wrap() does.
std::vector<TokenId> Published(const ModelCard& card, std::string_view text) {
  constexpr std::string_view kPicture = "<image>";
  std::vector<TokenId> ids = {card.tokenizer().bos()};
  while (true) {
    const size_t at = std::min(text.find(kPicture), text.size());
    if (at > 0) {
      const std::vector<TokenId> more =
          card.tokenizer().Encode(std::string(text.substr(0, at)), /*trusted=*/true);
      ids.insert(ids.end(), more.begin(), more.end());
    }
    if (at == text.size()) return ids;
    ids.insert(ids.end(), fakes::FakeModelCard::kImageRows, kImageRow);
    text.remove_prefix(at + kPicture.size());
  }
}

std::vector<TokenId> Rendered(const ModelCard& card, const StagePrompt& prompt) {
  const std::vector<PromptImage> images(8, {{4, 4}, 1});
  return RenderStage(card, prompt, images).value().ids;
}

const std::vector<std::string> kArticle = {"猫在睡觉。", "狗在跑步。", "鸟在唱歌。", "鱼在游泳。"};
const char kSegments[] =
    "<Seg0> 猫在睡觉。\n<Seg1> 狗在跑步。\n<Seg2> 鸟在唱歌。\n<Seg3> 鱼在游泳。\n";
const std::vector<PastCaption> kPast = {{0, "一只猫"}, {1, "一只狗"}};
const char kPastText[] =
    "现在<Seg0>后插入图像对应的标题是\"一只猫\"， <Seg1>后插入图像对应的标题是\"一只狗\"。";

ChoiceContext SecondChoice() {
  return {.pieces = {"猫在睡觉。\n", "狗在跑步。\n鸟在唱歌。\n"},
          .paragraph = "鸟在唱歌。",
          .caption = "一只鸟",
          .num_candidates = 4};
}

TEST(XComposer1PromptsTest, AreThePublishedOnes) {
  const auto prompts = MakePromptSet(V1());
  EXPECT_EQ(Rendered(V1(), prompts->ForArticle("又见敦煌", 0)),
            Published(V1(),
                      " <|User|>:根据给定标题写一个图文并茂，不重复的文章：又见敦煌\n<TOKENS_"
                      "UNUSED_0> <|Bot|>:"));
  EXPECT_EQ(Rendered(V1(), prompts->ForPlaces(kArticle, 2, 0)),
            Published(V1(),
                      fmt::format(" <|User|>:给定文章\"{}\" 根据上述文章，选择适合插入图像的2行 "
                                  "\n<TOKENS_UNUSED_0> <|Bot|>:适合插入图像的行是",
                                  kSegments)));
  EXPECT_EQ(Rendered(V1(), prompts->ForPlaces(kArticle, 0, 0)),
            Published(V1(),
                      fmt::format(" <|User|>:给定文章\"{}\" 根据上述文章，选择适合插入图像的行 "
                                  "\n<TOKENS_UNUSED_0> <|Bot|>:适合插入图像的行是",
                                  kSegments)));
  EXPECT_EQ(Rendered(V1(), prompts->ForCaption(kArticle, 0, {}, 0)),
            Published(V1(),
                      " <|User|>: 给定文章\"<Seg0> 猫在睡觉。\n<Seg1> 狗在跑步。\n\" "
                      "给出适合在<Seg0>后插入的图像对应的标题。"
                      " \n<TOKENS_UNUSED_0> <|Bot|>: 标题是\""));
  EXPECT_EQ(
      Rendered(V1(), prompts->ForCaption(kArticle, 2, kPast, 0)),
      Published(V1(),
                fmt::format(" <|User|>: 给定文章\"{}\" {}给出适合在<Seg2>后插入的图像对应的标题。 "
                            "\n<TOKENS_UNUSED_0> <|Bot|>: 标题是\"",
                            kSegments,
                            kPastText)));
  // As align_text() makes it of the demonstration's text.
  EXPECT_EQ(
      Rendered(V1(), prompts->ForChoice(SecondChoice())),
      Published(V1(),
                "  "
                "<|User|>:根据给定上下文和候选图像，选择合适的配图：猫在睡觉。\n<image>"
                "狗在跑步。\n鸟在唱歌。\n\n\n"
                "候选图像包括: A.<image>\nB.<image>\nC.<image>\nD.<image>\n\n<TOKENS_UNUSED_0> "
                "<TOKENS_UNUSED_0> <|Bot|>:最合适的图是"));
}

TEST(XComposer1PromptsTest, HaveThePublishedSettings) {
  const auto prompts = MakePromptSet(V1());
  const StageSettings article = prompts->SettingsOf(Stage::kArticle);
  EXPECT_EQ(article.sampling.num_beams(), 5u);
  EXPECT_EQ(article.sampling.repetition_penalty(), 5);
  EXPECT_EQ(article.sampling.temperature(), 0);
  EXPECT_EQ(article.max_new_tokens, 999);
  EXPECT_THAT(article.stop_tokens, ElementsAre("<TOKENS_UNUSED_0>", "<TOKENS_UNUSED_1>"));
  for (const std::string& spelling : article.stop_tokens)
    EXPECT_GE(V1().tokenizer().SpecialId(spelling), 0) << spelling;
  EXPECT_EQ(prompts->SettingsOf(Stage::kCaption).sampling.num_beams(), 0u);
}

std::string V2Turn(std::string_view text) {
  return fmt::format("[UNUSED_TOKEN_146]user\n{}[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]assistant\n",
                     text);
}

TEST(XComposer2PromptsTest, AreThePublishedOnes) {
  const auto prompts = MakePromptSet(V2());
  EXPECT_EQ(Rendered(V2(), prompts->ForArticle("写一篇文章", 0)),
            Published(V2(), V2Turn("写一篇文章")));
  EXPECT_EQ(Rendered(V2(), prompts->ForArticle("写一篇文章", 2)),
            Published(V2(), V2Turn("<image> <image>写一篇文章")));
  EXPECT_EQ(Rendered(V2(), prompts->ForPlaces(kArticle, 3, 2)),
            Published(V2(),
                      V2Turn(fmt::format(
                          "<image> <image> 给定文章\"{}\" 根据上述文章，选择适合插入图像的3行",
                          kSegments)) +
                          "适合插入图像的行是"));
  EXPECT_EQ(
      Rendered(V2(), prompts->ForCaption(kArticle, 2, kPast, 0)),
      Published(
          V2(),
          V2Turn(fmt::format(
              "给定文章\"{}\" {}给出适合在<Seg2>后插入的图像对应的标题。", kSegments, kPastText)) +
              "标题是\""));
  EXPECT_EQ(Rendered(V2(), prompts->ForChoice(SecondChoice())),
            Published(V2(),
                      V2Turn("根据给定上下文和候选图像，选择合适的配图：猫在睡觉。\n<image>"
                             "狗在跑步。\n鸟在唱歌。\n"
                             "候选图像包括: A.<image>\nB.<image>\nC.<image>\nD.<image>") +
                          "最合适的图是"));
  for (const std::string& spelling : prompts->SettingsOf(Stage::kArticle).stop_tokens) {
    EXPECT_GE(V2().tokenizer().SpecialId(spelling), 0) << spelling;
  }
}

TEST(XComposer2d5PromptsTest, CaptionsFollowAnExample) {
  const auto prompts = MakePromptSet(V2d5());
  EXPECT_EQ(Rendered(V2d5(), prompts->ForArticle("写一篇文章", 1)),
            Published(V2d5(), V2Turn("<image>写一篇文章")));
  EXPECT_EQ(
      Rendered(V2d5(), prompts->ForCaption(kArticle, 2, {}, 0)),
      Published(V2d5(),
                fmt::format(
                    "[UNUSED_TOKEN_146]system\n请严格按照示例的<input> "
                    "<output>格式，根据给定的文章，给出适合在某一段后插入的图像对应的标题。"
                    "[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]user\n<input>\n给定文章\"<Seg0> "
                    "大多数的车友们在选车、购车时都会格外关注续航\n"
                    "<Seg1> 甚至还有要求电动滑板车跑一百公里的\n<Seg2> 但这真的是你所需要的吗?\n"
                    "<Seg3> 据报告，一线城市上班族通勤半径均在10公里以内\n<Seg4> "
                    "所以大多数通勤出行RND的续航完全可以满足\n"
                    "<Seg5> 可能会有人说，续航短导致一天一充或两充很麻烦\n\" "
                    "给出适合在<Seg4>后插入的图像对应的标题。</input>\n"
                    "<output>\n标题是\"一个人正站在充电桩前给电动滑板车充电，面容看上去有些疲惫\"</"
                    "output>\n<input>\n"
                    "给定文章\"{}\" 给出适合在<Seg2>后插入的图像对应的标题。</input><output>"
                    "[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]assistant\n标题是\"",
                    kSegments)));
  EXPECT_EQ(prompts->ParseCaption("说\"你好\"的人\"</output>"), "说\"你好\"的人");
}

TEST(StagePromptsTest, SpecialTokensThatAreSpelledOutAreOnlyText) {
  const std::vector<std::pair<const GoldenCard*, std::string>> spellings = {
      {&V1(), "<TOKENS_UNUSED_1>"}, {&V2(), "[UNUSED_TOKEN_145]"}};
  for (const auto& [card, spelling] : spellings) {
    const auto prompts = MakePromptSet(*card);
    const TokenId special = card->tokenizer().SpecialId(spelling);
    const auto count = [&, card = card](const StagePrompt& prompt) {
      const std::vector<TokenId> ids = Rendered(*card, prompt);
      return std::count(ids.begin(), ids.end(), special);
    };
    const std::vector<std::string> plain = {"a"}, spiked = {"a" + spelling};
    EXPECT_EQ(count(prompts->ForArticle(spiked[0], 0)), count(prompts->ForArticle(plain[0], 0)));
    EXPECT_EQ(count(prompts->ForPlaces(spiked, 0, 0)), count(prompts->ForPlaces(plain, 0, 0)));
    EXPECT_EQ(count(prompts->ForCaption(spiked, 0, {}, 0)),
              count(prompts->ForCaption(plain, 0, {}, 0)));
    EXPECT_EQ(count(prompts->ForChoice({.pieces = spiked, .num_candidates = 1})),
              count(prompts->ForChoice({.pieces = plain, .num_candidates = 1})));
  }
}

TEST(PublishedAnswersTest, AreTakenAsFarAsTheyMakeSense) {
  const auto prompts = MakeXComposer2Prompts();
  EXPECT_THAT(prompts->ParsePlaces("<Seg3>, <Seg0>，<Seg3>", 4), ElementsAre(3, 0));
  EXPECT_THAT(prompts->ParsePlaces("<Seg4><Seg-1><Seg><Seg99999999999><Seg1 <Seg2>", 4),
              ElementsAre(2));
  EXPECT_THAT(prompts->ParsePlaces("no idea", 4), ElementsAre());
  EXPECT_THAT(prompts->ParsePlaces("<Seg", 4), ElementsAre());
  EXPECT_EQ(prompts->ParseCaption(" 一只猫\" 和"), "一只猫");
  EXPECT_EQ(prompts->ParseCaption("\n"), "");
}

TEST(PublishedPromptsTest, ALongArticleLosesItsBeginning) {
  const auto prompts = MakeXComposer2Prompts();
  const auto text = [&](int32_t dropped) {
    return std::get<TextRun>(prompts->ForCaption(kArticle, 2, {}, dropped).parts[2]).text;
  };
  EXPECT_TRUE(text(1).starts_with("给定文章\"<Seg1> 狗"));
  EXPECT_TRUE(text(9).starts_with("给定文章\"<Seg2> 鸟"));
}

// The words that the pictogram model was trained on: models/pictogram/questions.py.
TEST(PlainPromptsTest, AskForAChoiceAsThePictogramModelWasTaught) {
  const auto prompts = MakePlainPrompts();
  const fakes::FakeModelCard card;
  const auto text = [&](std::string_view part) {
    return card.tokenizer().Encode(std::string(part), false);
  };
  std::vector<TokenId> wanted = {card.tokenizer().bos()};
  const auto add = [&](const std::vector<TokenId>& ids) {
    wanted.insert(wanted.end(), ids.begin(), ids.end());
  };
  add(text("Text: I saw a cat today.\n"));
  for (const char* letter : {"A.", "B.", "C.", "D."}) {
    add(text(letter));
    wanted.insert(wanted.end(), fakes::FakeModelCard::kImageRows, kImageRow);
    add(text("\n"));
  }
  add(text("Choose the picture that suits the text."));
  add(text("The most suitable picture is"));
  EXPECT_EQ(Rendered(card,
                     prompts->ForChoice(
                         {.paragraph = "x", .caption = "I saw a cat today.", .num_candidates = 4})),
            wanted);
  EXPECT_THAT(prompts->ChoicesFor(2), ElementsAre(" C"));
}

TEST(PlainPromptsTest, CaptionsShareTheirBeginning) {
  const auto prompts = MakePlainPrompts();
  const std::vector<std::string> article = {"First.", "Second.", "Third."};
  const auto text = [&](int32_t place, int32_t dropped) {
    return std::get<TextRun>(prompts->ForCaption(article, place, {}, dropped).parts[0]).text;
  };
  constexpr std::string_view kShared = "Here is an article.\nFirst.\nSecond.\nThird.\n";
  for (int32_t place = 0; place < 3; ++place)
    EXPECT_TRUE(text(place, 0).starts_with(kShared)) << place;
  EXPECT_TRUE(text(2, 2).starts_with("Here is an article.\nFirst.\nSay in"));
  EXPECT_TRUE(text(2, 9).ends_with("\nThird."));
}

TEST(PlainAnswersTest, AreTakenAsFarAsTheyMakeSense) {
  const auto prompts = MakePlainPrompts();
  EXPECT_THAT(prompts->ParsePlaces(" 3, 1 and 3. Since 2023, 0 or 99999999999999999999.", 3),
              ElementsAre(2, 0));
  EXPECT_THAT(prompts->ParsePlaces("none", 3), ElementsAre());
  EXPECT_EQ(prompts->ParseCaption(" a cat on a mat. It sleeps."), "a cat on a mat");
  EXPECT_EQ(prompts->ParseCaption(" a cat.\n\nMore"), "a cat");
  EXPECT_EQ(prompts->ParseCaption("..."), "");
}

TEST(ParseChoiceTest, FindsTheLetter) {
  EXPECT_EQ(ParseChoice("B", 4), 1);
  EXPECT_EQ(ParseChoice(" D.", 4), 3);
  EXPECT_EQ(ParseChoice(": C", 4), 2);
  EXPECT_EQ(ParseChoice("：B", 4), 1);
  for (const char* wrong : {"", " ", "E", "a", "42", "\xff", "："})
    EXPECT_EQ(ParseChoice(wrong, 4), 0) << wrong;
}

TEST(MakePromptSetTest, GoesByFamilyAndTokens) {
  EXPECT_TRUE(MakePromptSet(V2())->captions_in_turn());
  const GoldenCard chatty("internlm2", "internlm2-tiny");
  EXPECT_FALSE(MakePromptSet(chatty)->captions_in_turn());
  EXPECT_FALSE(MakePromptSet(fakes::FakeModelCard())->captions_in_turn());
}

}  // namespace
}  // namespace triptych::router
