#include "common/model_card/internlm_xcomposer2/chat_prompt.h"

#include "common/string_map.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych::internlm_xcomposer2 {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// Knows special tokens by their spelling and nothing else.
class MarkerTokenizer final : public Tokenizer {
 public:
  explicit MarkerTokenizer(StringSet markers) : markers_(std::move(markers)) {}
  std::vector<TokenId> Encode(std::span<const TextRun>) const override { return {}; }
  std::string Bytes(TokenId) const override { return ""; }
  int32_t vocab_size() const override { return 10; }
  TokenId bos() const override { return -1; }
  TokenId eos() const override { return -1; }
  TokenId SpecialId(std::string_view spelling) const override { return markers_.contains(spelling) ? 7 : -1; }

 private:
  const StringSet markers_;
};

const ChatTemplate& Published() { return **ChatTemplateOf(Variant::kPlain, MarkerTokenizer({"[UNUSED_TOKEN_146]", "[UNUSED_TOKEN_145]"})); }
const ChatTemplate& ChatMl() { return **ChatTemplateOf(Variant::kPlain, MarkerTokenizer({"<|im_start|>", "<|im_end|>"})); }

// Each piece as text, pictures as <number>.
std::vector<std::string> Render(const ChatTemplate& chat_template, const std::vector<ChatMessage>& messages) {
  const auto pieces = RenderChat(chat_template, messages);
  EXPECT_TRUE(pieces.ok()) << Message(pieces.status());
  std::vector<std::string> texts;
  for (const PromptPiece& piece : *pieces) {
    texts.push_back(piece.image >= 0 ? fmt::format("<{}>", piece.image) : "");
    for (const TextRun& run : piece.runs) texts.back() += run.text;
  }
  return texts;
}

constexpr char kSmolSystem[] = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n";

TEST(ChatTemplate, IsToldByTheTokenizersMarkers) {
  EXPECT_EQ(Published().turn_end, "[UNUSED_TOKEN_145]");
  EXPECT_TRUE(Published().bos_before_every_text);
  EXPECT_EQ(ChatMl().turn_end, "<|im_end|>");
  EXPECT_FALSE(ChatMl().bos_before_every_text);
  const MarkerTokenizer both({"<|im_start|>", "<|im_end|>", "[UNUSED_TOKEN_146]", "[UNUSED_TOKEN_145]"});
  EXPECT_EQ(*ChatTemplateOf(Variant::kPlain, both), &Published());
}

TEST(ChatTemplate, HalfOfOneIsNone) {
  for (const char* marker : {"", "[UNUSED_TOKEN_146]", "[UNUSED_TOKEN_145]", "<|im_start|>", "<|im_end|>"}) {
    const auto found = ChatTemplateOf(Variant::kPlain, MarkerTokenizer({marker}));
    EXPECT_EQ(found.status().code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(Message(found.status())), AllOf(HasSubstr("[UNUSED_TOKEN_146]"), HasSubstr("<|im_end|>")));
  }
}

TEST(RenderChat, ChatMlTurnsFollowTheTemplate) {
  EXPECT_THAT(Render(ChatMl(),
                     {{ChatRole::kSystem, {"S"}}, {ChatRole::kUser, {"q1"}}, {ChatRole::kAssistant, {"a1"}}, {ChatRole::kUser, {"q2"}}}),
              ElementsAre("<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\na1<|im_end|>\n"
                          "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n"));
}

TEST(RenderChat, ChatMlHasADefaultSystemTextUnlessThereIsAPicture) {
  EXPECT_THAT(Render(ChatMl(), {{ChatRole::kUser, {"q"}}}),
              ElementsAre(std::string(kSmolSystem) + "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"));
  EXPECT_THAT(Render(ChatMl(), {{ChatRole::kUser, {ImageRef{0}, "q"}}}),
              ElementsAre("<|im_start|>user\n", "<0>", "q<|im_end|>\n<|im_start|>assistant\n"));
  // A picture anywhere in the conversation counts.
  EXPECT_THAT(Render(ChatMl(), {{ChatRole::kUser, {"q", ImageRef{0}}}, {ChatRole::kAssistant, {"a"}}, {ChatRole::kUser, {"q2"}}}).front(),
              StartsWith("<|im_start|>user"));
}

TEST(RenderChat, ASystemMessageStandsWithPicturesAndAnEmptyOneLeavesTheTurnOut) {
  EXPECT_THAT(Render(ChatMl(), {{ChatRole::kSystem, {"S"}}, {ChatRole::kUser, {ImageRef{0}}}}).front(),
              StartsWith("<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n"));
  for (const ChatTemplate* chat_template : {&Published(), &ChatMl()}) {
    EXPECT_THAT(Render(*chat_template, {{ChatRole::kSystem, {""}}, {ChatRole::kUser, {"q"}}}).front(),
                StartsWith(std::string(chat_template->turn_start) + "user"));
  }
}

TEST(RenderChat, ThePublishedDefaultStandsWithAndWithoutPictures) {
  EXPECT_THAT(Render(Published(), {{ChatRole::kUser, {"q"}}}).front(), HasSubstr("whose name is InternLM-XComposer"));
  EXPECT_THAT(Render(Published(), {{ChatRole::kUser, {ImageRef{0}, "q"}}}).front(), HasSubstr("whose name is InternLM-XComposer"));
}

TEST(RenderChat, PicturesStandWhereThePartsHaveThem) {
  EXPECT_THAT(Render(ChatMl(), {{ChatRole::kUser, {"a", ImageRef{1}, ImageRef{0}, "b"}}}),
              ElementsAre("<|im_start|>user\na", "<1>", "<0>", "b<|im_end|>\n<|im_start|>assistant\n"));
}

TEST(RenderChat, OnlyTheTemplatesOwnTextIsTrusted) {
  const auto pieces = RenderChat(ChatMl(), std::vector<ChatMessage>{{ChatRole::kSystem, {"<|im_end|>"}}, {ChatRole::kUser, {"<|im_end|>"}}});
  ASSERT_TRUE(pieces.ok());
  for (const TextRun& run : pieces->front().runs) EXPECT_EQ(run.trusted, run.text != "<|im_end|>") << run.text;
}

}  // namespace
}  // namespace triptych::internlm_xcomposer2
