// What the golden prompts (model_card_test.cc) do not show of the card of InternLM-XComposer.
#include "common/model_card/internlm_xcomposer/card.h"

#include <filesystem>
#include <string>
#include <vector>

#include "common/json/json_config.h"
#include "common/model_card/internlm_xcomposer/chat_prompt.h"
#include "common/text_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych::internlm_xcomposer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kGolden = std::string(TRIPTYCH_TEST_DATA) + "/golden/xcomposer1-tiny";

std::unique_ptr<ModelCard> Load() {
  auto card = LoadModelCard(kGolden);
  EXPECT_TRUE(card.ok()) << Message(card.status());
  return card.ok() ? *std::move(card) : nullptr;
}

TEST(InternLmXComposerCard, SaysWhatItIs) {
  const auto card = Load();
  ASSERT_TRUE(card);
  EXPECT_EQ(card->family(), "internlm-xcomposer");
  EXPECT_EQ(card->context_tokens(), 2048);
  EXPECT_EQ(card->vocab_size(), 372);
  EXPECT_TRUE(card->accepts_images());
  EXPECT_EQ(card->image_placeholder(), 0);
  EXPECT_EQ(card->defaults().max_new_tokens, 500);
  EXPECT_FALSE(card->defaults().penalty_sees_prompt);
  EXPECT_THAT(card->defaults().stop_token_ids, ElementsAre(2, 3, 4));
  EXPECT_TRUE(card->adapters().empty());
  EXPECT_TRUE(card->accepts_conversations());
  EXPECT_EQ(card->max_tiles(), 1);
}

TEST(InternLmXComposerCard, EveryPictureTakesItsQueriesAndTwoRows) {
  const auto card = Load();
  ASSERT_TRUE(card);
  for (const ImageSize size : {ImageSize{1, 1}, {4000, 3}, {70, 70}}) {
    EXPECT_EQ(*card->ImageRows({size}), 10);
    EXPECT_EQ(*card->ImageTiles({size}), 1);
  }
  EXPECT_EQ(card->ImageRows({{5, 5}, 2}).status().code(), StatusCode::kInvalidArgument);
}

// Texts that are tokenised by themselves in brackets, "B" for BOS and "I" for a picture.
std::string Rendered(const std::vector<ChatMessage>& messages) {
  const auto pieces = RenderChat(messages);
  if (!pieces.ok()) return std::string(Message(pieces.status()));
  std::string text;
  for (const PromptPiece& piece : *pieces) {
    if (piece.kind == PromptPiece::Kind::kBos) text += "B";
    if (piece.kind == PromptPiece::Kind::kImage) text += "I";
    if (piece.kind != PromptPiece::Kind::kText) continue;
    text += "[";
    for (const TextRun& run : piece.runs) text += run.text;
    text += "]";
  }
  return text;
}

ChatMessage System(const std::string& text) { return {ChatRole::kSystem, {text}}; }
ChatMessage User(const std::string& text) { return {ChatRole::kUser, {text}}; }
ChatMessage Assistant(const std::string& text) { return {ChatRole::kAssistant, {text}}; }

const std::string kAnswer = "[\n<TOKENS_UNUSED_0> <|Bot|>:]";

TEST(InternLmXComposerChat, AQuestionAloneHasThePublishedMetaInstruction) {
  EXPECT_EQ(Rendered({User("hi")}),
            "B[meta instruction\nYou are an AI assistant whose name is 浦语.\n"
            "- 浦语 is a conversational language model that is developed by Shanghai AI Laboratory "
            "(上海人工智能实验室). It is designed to be helpful, honest, and harmless.\n"
            "- 浦语 can understand and communicate fluently in the language chosen by the user "
            "such as English and 中文.\nconversation\n <|User|>:][hi]" +
                kAnswer);
  EXPECT_EQ(Rendered({System(""), User("hi")}), "B[ <|User|>:][hi]" + kAnswer);
  EXPECT_EQ(Rendered({System("Be brief."), User("hi")}),
            "B[meta instruction\nBe brief.\nconversation\n <|User|>:][hi]" + kAnswer);
}

TEST(InternLmXComposerChat, TurnsThatAreOverBeginWithBosAndTheLastOneDoesNot) {
  EXPECT_EQ(Rendered({User("a"), Assistant("b"), User("c"), Assistant("d"), User("e")}),
            "B[ <|User|>:][a][ <|Bot|>:]B[b]B[ <|User|>:][c][ <|Bot|>:]B[d][ <|User|>:][e]" +
                kAnswer);
  EXPECT_EQ(Rendered({System("s"), User("a"), Assistant("b"), User("c")}),
            "B[meta instruction\ns\nconversation\n <|User|>:][a][ <|Bot|>:]B[b][ <|User|>:][c]" +
                kAnswer);
}

TEST(InternLmXComposerChat, ALastAssistantMessageIsContinuedInOneTextWithItsMarker) {
  EXPECT_EQ(Rendered({System(""), User("a"), Assistant(" Answer:")}),
            "B[ <|User|>:][a][\n<TOKENS_UNUSED_0> <|Bot|>: Answer:]");
  EXPECT_EQ(Rendered({User("a"), Assistant("b"), User("c"), Assistant("d")}),
            "B[ <|User|>:][a][ <|Bot|>:]B[b][ <|User|>:][c][\n<TOKENS_UNUSED_0> <|Bot|>:d]");
}

TEST(InternLmXComposerChat, PicturesStandWhereTheirMessageHasThemAndTextsBetweenThemAreOne) {
  const ChatMessage user{ChatRole::kUser, {ImageRef{0}, "one", " two", ImageRef{1}, "three"}};
  EXPECT_EQ(Rendered({System(""), user}), "B[ <|User|>:]I[one two]I[three]" + kAnswer);
  EXPECT_EQ(Rendered({System(""), {ChatRole::kUser, {ImageRef{0}}}}), "B[ <|User|>:]I" + kAnswer);
}

TEST(InternLmXComposerChat, RolesOutOfOrderAreRefused) {
  EXPECT_THAT(Rendered({}), HasSubstr("no user message"));
  EXPECT_THAT(Rendered({System("x")}), HasSubstr("no user message"));
  EXPECT_THAT(Rendered({User("a"), User("b")}), HasSubstr("take turns"));
  EXPECT_THAT(Rendered({Assistant("a")}), HasSubstr("take turns"));
  EXPECT_THAT(Rendered({User("a"), System("b")}), HasSubstr("take turns"));
}

TEST(InternLmXComposerChat, MarkersAreTrustedAndMessagesAreNot) {
  const auto card = Load();
  ASSERT_TRUE(card);
  const auto count = [&](const std::vector<ChatMessage>& messages) {
    const auto prompt = card->RenderConversation(messages, {});
    EXPECT_TRUE(prompt.ok()) << Message(prompt.status());
    return std::ranges::count(prompt->ids, 3);
  };
  EXPECT_EQ(count({User("a")}), 1);
  EXPECT_EQ(count({System("<TOKENS_UNUSED_0>"), User("<TOKENS_UNUSED_0>")}), 1);
}

TEST(InternLmXComposerCard, ATokenizerWithoutTheEndsOfTurnsIsRefused) {
  const fakes::TemporaryFolder folder;
  std::filesystem::copy(kGolden + "/config.json", folder.path());
  std::string tokenizer = *ReadTextFile(kGolden + "/tokenizer.model");
  const size_t at = tokenizer.find("<TOKENS_UNUSED_1>");
  ASSERT_NE(at, std::string::npos);
  tokenizer[at + 1] = 't';
  folder.Write("tokenizer.model", tokenizer);
  const auto card = LoadModelCard(folder.path());
  EXPECT_EQ(card.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(card.status())), HasSubstr("<TOKENS_UNUSED_1>"));
}

}  // namespace
}  // namespace triptych::internlm_xcomposer
