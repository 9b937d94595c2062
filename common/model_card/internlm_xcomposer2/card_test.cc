#include "common/model_card/internlm_xcomposer2/card.h"

#include "common/hash/sha256.h"
#include "common/json/json_config.h"
#include "common/text_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych::internlm_xcomposer2 {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kGolden = std::string(TRIPTYCH_TEST_DATA) + "/golden/xcomposer2-vl-tiny";
const std::string kByteBpe = std::string(TRIPTYCH_TEST_DATA) + "/../common/tokenizer/testdata/byte_bpe";

constexpr TokenId kEndOfText = 0, kTurnStart = 1, kTurnEnd = 2;
constexpr int32_t kImageRows = 1225;

// A checkpoint whose tokenizer speaks ChatML.
class ChatMlCardTest : public testing::Test {
 protected:
  ChatMlCardTest() {
    config_ = nlohmann::json::parse(*ReadTextFile(kGolden + "/config.json"));
    config_["vocab_size"] = 900;
    tokenizer_ = nlohmann::json::parse(*ReadTextFile(kByteBpe + "/tokenizer.json"));
  }
  StatusOr<std::unique_ptr<ModelCard>> TryLoad() {
    folder_.Write("config.json", config_.dump());
    folder_.Write("tokenizer.json", tokenizer_.dump());
    return LoadModelCard(folder_.path());
  }
  std::unique_ptr<ModelCard> Load() {
    auto card = TryLoad();
    EXPECT_TRUE(card.ok()) << Message(card.status());
    return *std::move(card);
  }
  std::vector<TokenId> Encode(const ModelCard& card, const std::string& text) { return card.tokenizer().Encode(text, /*trusted=*/true); }

  const fakes::TemporaryFolder folder_;
  const std::vector<PromptImage> picture_ = {{{64, 48}}};
  nlohmann::json config_, tokenizer_;
};

TEST_F(ChatMlCardTest, ConversationsAreChatMlWithoutBos) {
  const auto card = Load();
  const auto prompt = card->RenderConversation(std::vector<ChatMessage>{{ChatRole::kUser, {"q"}}}, {});
  ASSERT_TRUE(prompt.ok());
  EXPECT_EQ(prompt->ids,
            Encode(*card, "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
                          "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"));
  EXPECT_EQ(prompt->ids.front(), kTurnStart);
}

TEST_F(ChatMlCardTest, APictureStandsWhereThePartsHaveIt) {
  const auto card = Load();
  const auto prompt = card->RenderConversation(std::vector<ChatMessage>{{ChatRole::kUser, {"see", ImageRef{0}, "q"}}}, picture_);
  ASSERT_TRUE(prompt.ok());
  std::vector<TokenId> expected = Encode(*card, "<|im_start|>user\nsee");
  const auto start = static_cast<int32_t>(expected.size());
  expected.insert(expected.end(), kImageRows, kImageRow);
  for (const TokenId id : Encode(*card, "q<|im_end|>\n<|im_start|>assistant\n")) expected.push_back(id);
  EXPECT_EQ(prompt->ids, expected);
  EXPECT_EQ(prompt->images, (std::vector<ImageSpan>{{start, kImageRows, 0}}));
}

TEST_F(ChatMlCardTest, RawPromptsHaveNoBosEither) {
  const auto card = Load();
  EXPECT_EQ(card->RenderRaw(std::vector<PromptPart>{"<|im_end|> a"}, {})->ids, Encode(*card, "<|im_end|> a"));
  EXPECT_EQ(card->RenderRaw(std::vector<PromptPart>{ImageRef{0}, "a"}, picture_)->ids.front(), kImageRow);
}

TEST_F(ChatMlCardTest, ABosThatTheTokenizerAddsStandsInFrontOnce) {
  folder_.Write("tokenizer_config.json", R"({"add_bos_token": true, "bos_token": "<|endoftext|>"})");
  const auto card = Load();
  const std::vector<ChatMessage> messages = {{ChatRole::kUser, {"see", ImageRef{0}, "q"}}};
  const auto prompt = card->RenderConversation(messages, picture_);
  EXPECT_EQ(std::count(prompt->ids.begin(), prompt->ids.end(), kEndOfText), 1);
  EXPECT_EQ(prompt->ids.front(), kEndOfText);
  EXPECT_EQ(card->RenderRaw(std::vector<PromptPart>{"a"}, {})->ids.front(), kEndOfText);
}

TEST_F(ChatMlCardTest, GenerationStopsAtEosAndAtTheTurnsEnd) {
  config_["eos_token_id"] = kTurnEnd;
  EXPECT_THAT(Load()->defaults().stop_token_ids, ElementsAre(kTurnEnd));
  config_["eos_token_id"] = kEndOfText;
  EXPECT_THAT(Load()->defaults().stop_token_ids, ElementsAre(kEndOfText, kTurnEnd));
}

TEST_F(ChatMlCardTest, PlaceholdersAreEndOfTextOrElseEos) {
  config_["eos_token_id"] = kTurnEnd;
  EXPECT_EQ(Load()->image_placeholder(), kEndOfText);
  tokenizer_["added_tokens"][0]["special"] = false;
  EXPECT_EQ(Load()->image_placeholder(), kTurnEnd);
}

TEST_F(ChatMlCardTest, TheDigestIsOverAllFilesThatSayWhatTokensAre) {
  const Sha256Digest plain = Load()->digest();
  EXPECT_EQ(Load()->digest(), plain);
  folder_.Write("generation_config.json", "{}");
  EXPECT_EQ(Load()->digest(), plain);
  folder_.Write("tokenizer_config.json", R"({"add_bos_token": true, "bos_token": "<|endoftext|>"})");
  const Sha256Digest with_bos = Load()->digest();
  EXPECT_NE(with_bos, plain);
  tokenizer_["model"]["ignore_merges"] = true;
  EXPECT_NE(Load()->digest(), with_bos);
}

TEST_F(ChatMlCardTest, ATokenizerWithoutMarkersIsRefusedByName) {
  tokenizer_["added_tokens"].erase(2);
  EXPECT_THAT(std::string(Message(TryLoad().status())), AllOf(HasSubstr(folder_.path()), HasSubstr("<|im_end|>")));
}

TEST_F(ChatMlCardTest, AVocabularyLargerThanTheModelsIsRefused) {
  config_["vocab_size"] = 899;
  EXPECT_THAT(std::string(Message(TryLoad().status())), AllOf(HasSubstr("vocab_size"), HasSubstr("900")));
}

TEST(PublishedCard, ItsDigestAndTokensAreWhatTheyWere) {
  const auto card = LoadCard(kGolden);
  ASSERT_TRUE(card.ok());
  FieldHasher hasher("triptych model card 1");
  hasher.Text(*ReadTextFile(kGolden + "/config.json")).Text(*ReadTextFile(kGolden + "/tokenizer.model"));
  EXPECT_EQ((*card)->digest(), hasher.Finish());
  const Tokenizer& tokenizer = (*card)->tokenizer();
  EXPECT_EQ((*card)->image_placeholder(), tokenizer.SpecialId("<unk>"));
  EXPECT_THAT((*card)->defaults().stop_token_ids, ElementsAre(2, tokenizer.SpecialId("[UNUSED_TOKEN_145]")));
}

}  // namespace
}  // namespace triptych::internlm_xcomposer2
