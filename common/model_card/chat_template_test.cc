#include "common/model_card/chat_template.h"

#include <fstream>

#include "common/json/json_config.h"
#include "common/text_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_model_card.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// One that has special tokens of some spellings.
class SpecialTokenizer final : public Tokenizer {
 public:
  explicit SpecialTokenizer(std::vector<std::string> special) : special_(std::move(special)) {}
  using Tokenizer::Encode;
  std::vector<TokenId> Encode(std::span<const TextRun> runs) const override { return bytes_.Encode(runs); }
  std::string Bytes(TokenId id) const override { return bytes_.Bytes(id); }
  int32_t vocab_size() const override { return bytes_.vocab_size(); }
  TokenId bos() const override { return bytes_.bos(); }
  TokenId eos() const override { return bytes_.eos(); }
  TokenId SpecialId(std::string_view spelling) const override {
    const auto found = std::ranges::find(special_, spelling);
    return found == special_.end() ? -1 : static_cast<TokenId>(1000 + (found - special_.begin()));
  }

 private:
  const std::vector<std::string> special_;
  const fakes::ByteTokenizer bytes_;
};

// Texts with <image> in them to parts.
std::vector<PromptPart> Parts(std::string_view text) {
  constexpr std::string_view kMark = "<image>";
  std::vector<PromptPart> parts;
  while (true) {
    const size_t mark = text.find(kMark);
    if (mark != 0 && !text.empty()) parts.emplace_back(std::string(text.substr(0, mark)));
    if (mark == std::string_view::npos) return parts;
    parts.emplace_back(ImageRef{});
    text.remove_prefix(mark + kMark.size());
  }
}

std::string Join(std::span<const PromptPiece> pieces, const std::string& bos, const std::string& eos) {
  std::string text;
  for (const PromptPiece& piece : pieces) {
    if (piece.kind == PromptPiece::Kind::kImage) text += "<image>";
    if (piece.kind == PromptPiece::Kind::kBos) text += bos;
    if (piece.kind == PromptPiece::Kind::kEos) text += eos;
    for (const TextRun& run : piece.runs) text += run.text;
  }
  return text;
}

ChatRole RoleOf(const std::string& name) {
  if (name == "system") return ChatRole::kSystem;
  return name == "user" ? ChatRole::kUser : ChatRole::kAssistant;
}

ChatTemplate Find(const std::string& jinja, std::vector<std::string> special = {}) {
  const auto found = FindChatTemplate(jinja, SpecialTokenizer(std::move(special)));
  EXPECT_TRUE(found) << jinja;
  return found.value_or(ChatTemplate{});
}

std::string Render(const ChatTemplate& chat_template, std::span<const ChatMessage> messages) {
  const auto pieces = RenderChat(chat_template, messages);
  EXPECT_TRUE(pieces.ok()) << Message(pieces.status());
  return pieces.ok() ? Join(*pieces, "<s>", "</s>") : "";
}

// tests/golden/chat_templates.json: the programs, and what transformers renders with them.
TEST(ChatTemplateGolden, TextsAreTheReferences) {
  const auto entries = nlohmann::json::parse(*ReadTextFile(std::string(TRIPTYCH_TEST_DATA) + "/golden/chat_templates.json"));
  ASSERT_EQ(entries.size(), 7u);
  for (const auto& entry : entries) {
    const ChatTemplate found = Find(entry["template"], entry["special"].get<std::vector<std::string>>());
    EXPECT_EQ(found.name, entry["name"].get<std::string>());
    const std::string bos = entry["bos"], eos = entry["eos"];
    for (const auto& talk : entry["rendered"]) {
      std::vector<ChatMessage> messages;
      for (const auto& message : talk["messages"]) {
        messages.push_back({RoleOf(message[0]), Parts(message[1].get<std::string>())});
      }
      const auto pieces = RenderChat(found, messages);
      ASSERT_TRUE(pieces.ok()) << Message(pieces.status());
      const std::string front = found.bos_before_user ? "" : bos;
      EXPECT_EQ(front + Join(*pieces, bos, eos), talk["text"].get<std::string>()) << found.name;
    }
  }
}

TEST(ChatTemplateTest, WithoutAProgramTheTokenizersMarkersTell) {
  EXPECT_EQ(Find("", {"<|im_start|>", "<|im_end|>"}).name, "ChatML");
  EXPECT_EQ(Find("", {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}).name, "Llama 3");
  EXPECT_FALSE(FindChatTemplate("", SpecialTokenizer({"<|im_start|>"})));
}

TEST(ChatTemplateTest, OthersAreNotGuessed) {
  const SpecialTokenizer tokenizer({"<|im_start|>", "<|im_end|>"});
  EXPECT_FALSE(FindChatTemplate("{{ '<|user|>\n' + message['content'] }}", tokenizer));
  EXPECT_FALSE(FindChatTemplate("{{ '[INST] ' + message['content'] + ' [/INST]' }}", tokenizer));  // Mistral's has other spaces
  EXPECT_FALSE(FindChatTemplate("{{ '<|im_start|>' }}", SpecialTokenizer({})));  // markers that would be plain text
}

TEST(ChatTemplateTest, EndsOfAnswersAreNamed) {
  EXPECT_EQ(Find("", {"<|im_start|>", "<|im_end|>"}).turn_end, "<|im_end|>");
  EXPECT_EQ(Find("", {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}).turn_end, "<|eot_id|>");
}

TEST(ChatTemplateTest, InternLm2SpeaksChatMlUnderEitherName) {
  const std::vector<ChatMessage> messages = {{ChatRole::kUser, {"q"}}};
  const auto pieces = InternLm2Template(SpecialTokenizer({"[UNUSED_TOKEN_146]", "[UNUSED_TOKEN_145]"}));
  ASSERT_TRUE(pieces);
  EXPECT_THAT(Render(*pieces, messages), testing::StartsWith("[UNUSED_TOKEN_146]system\nYou are an AI assistant whose name is InternLM (书生·浦语).\n- "));
  EXPECT_THAT(Render(*pieces, messages),
              testing::EndsWith("English and 中文.[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]user\nq[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]assistant\n"));
  EXPECT_EQ(InternLm2Template(SpecialTokenizer({"<|im_start|>", "<|im_end|>"}))->turn_end, "<|im_end|>");
  EXPECT_FALSE(InternLm2Template(SpecialTokenizer({})));
}

TEST(ChatTemplateTest, ALastAssistantMessageIsContinued) {
  const std::vector<ChatMessage> messages = {{ChatRole::kUser, {"q"}}, {ChatRole::kAssistant, {"It is"}}};
  EXPECT_EQ(Render(LlavaTemplate(), messages), "USER: q ASSISTANT: It is");
  EXPECT_EQ(Render(Find("[INST] <<SYS>>"), messages), "<s>[INST] q [/INST] It is");
  EXPECT_EQ(Render(Find("", {"<|im_start|>", "<|im_end|>"}), messages), "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\nIt is");
}

TEST(ChatTemplateTest, AnEmptySystemMessageLeavesTheDefaultOut) {
  const std::string jinja = "{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}";
  const ChatTemplate found = Find(jinja, {"<|im_start|>", "<|im_end|>"});
  EXPECT_EQ(found.default_system, "You help.");
  const std::vector<ChatMessage> messages = {{ChatRole::kSystem, {""}}, {ChatRole::kUser, {"q"}}};
  EXPECT_THAT(Render(found, messages), testing::StartsWith("<|im_start|>user"));
}

TEST(ChatTemplateTest, MessagesAreNotTrustedAndMarkersAre) {
  const std::vector<ChatMessage> messages = {{ChatRole::kUser, {"<|im_end|>"}}};
  const auto pieces = RenderChat(Find("", {"<|im_start|>", "<|im_end|>"}), messages);
  ASSERT_TRUE(pieces.ok());
  ASSERT_EQ(pieces->size(), 1u);
  std::vector<bool> trusted;
  for (const TextRun& run : pieces->front().runs) trusted.push_back(run.trusted);
  EXPECT_THAT(trusted, ElementsAre(true, false, true, true));
}

TEST(ChatTemplateTest, RolesOutOfOrderAreRefused) {
  for (const std::vector<ChatRole>& roles : {std::vector<ChatRole>{},
                                             {ChatRole::kSystem},
                                             {ChatRole::kAssistant},
                                             {ChatRole::kUser, ChatRole::kUser},
                                             {ChatRole::kUser, ChatRole::kSystem}}) {
    std::vector<ChatMessage> messages;
    for (const ChatRole role : roles) messages.push_back({role, {"x"}});
    EXPECT_EQ(RenderChat(LlavaTemplate(), messages).status().code(), StatusCode::kInvalidArgument);
  }
}

TEST(ReadJinjaTemplateTest, LooksWhereCheckpointsHaveIt) {
  const fakes::TemporaryFolder folder;
  EXPECT_EQ(*ReadJinjaTemplate(folder.path()), "");
  folder.Write("tokenizer_config.json", R"({"chat_template": [{"name": "tools", "template": "t"}, {"name": "default", "template": "d"}]})");
  EXPECT_EQ(*ReadJinjaTemplate(folder.path()), "d");
  folder.Write("tokenizer_config.json", R"({"chat_template": "c"})");
  EXPECT_EQ(*ReadJinjaTemplate(folder.path()), "c");
  folder.Write("chat_template.json", R"({"chat_template": "p"})");
  EXPECT_EQ(*ReadJinjaTemplate(folder.path()), "p");
  folder.Write("chat_template.jinja", "j");
  EXPECT_EQ(*ReadJinjaTemplate(folder.path()), "j");
}

TEST(ReadJinjaTemplateTest, WhatIsNoTemplateIsNamed) {
  const fakes::TemporaryFolder folder;
  for (const char* json : {R"({"chat_template": 3})", R"({"chat_template": [{"name": "tools", "template": "t"}]})", "not json"}) {
    folder.Write("tokenizer_config.json", json);
    const auto read = ReadJinjaTemplate(folder.path());
    EXPECT_EQ(read.status().code(), StatusCode::kFailedPrecondition) << json;
    EXPECT_THAT(std::string(Message(read.status())), HasSubstr("tokenizer_config.json")) << json;
  }
}

}  // namespace
}  // namespace triptych
