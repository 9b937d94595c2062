#include "common/model_card/model_card.h"

#include <cstring>
#include <filesystem>
#include <fstream>

#include "common/json/json_config.h"
#include "common/model_card/internlm_xcomposer2/config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::string kGolden = std::string(TRIPTYCH_TEST_DATA) + "/golden/xcomposer2-vl-tiny";

// The int64 tensor of that name in a safetensors file.
std::vector<TokenId> ReadIds(const std::string& path, const std::string& name) {
  const std::string file = *ReadTextFile(path);
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), 8);
  const auto header = nlohmann::json::parse(file.substr(8, header_bytes));
  const size_t begin = header[name]["data_offsets"][0], end = header[name]["data_offsets"][1];
  std::vector<int64_t> wide((end - begin) / 8);
  std::memcpy(wide.data(), file.data() + 8 + header_bytes + begin, end - begin);
  return {wide.begin(), wide.end()};
}

// A golden case's prompt: pictures where <ImageHere> stands.
std::vector<PromptPart> Parts(std::string_view text, int32_t& next_image) {
  constexpr std::string_view kMark = "<ImageHere>";
  std::vector<PromptPart> parts;
  while (true) {
    const size_t mark = text.find(kMark);
    if (mark != 0 && !text.empty()) parts.emplace_back(std::string(text.substr(0, mark)));
    if (mark == std::string_view::npos) return parts;
    parts.emplace_back(ImageRef{next_image++});
    text.remove_prefix(mark + kMark.size());
  }
}

TEST(ModelCardGolden, PromptsAreTheReferencesTokenForToken) {
  const auto card = LoadModelCard(kGolden);
  ASSERT_TRUE(card.ok()) << Message(card.status());
  const auto manifest = nlohmann::json::parse(*ReadTextFile(kGolden + "/manifest.json"));
  for (const auto& entry : manifest["cases"]) {
    const std::vector<PromptImage> images(entry["images"].size(), PromptImage{{100, 50}});
    int32_t next_image = 0;
    StatusOr<TokenizedPrompt> prompt = Internal("unset");
    if (entry["mode"] == "eval") {
      std::vector<PromptPart> parts;
      for (size_t i = 0; i < images.size(); ++i) parts.emplace_back(ImageRef{next_image++});
      parts.emplace_back(entry["q"].get<std::string>());
      prompt = (*card)->RenderRaw(parts, images);
    } else {
      std::vector<ChatMessage> messages = {{ChatRole::kSystem, {entry["meta_instruction"].get<std::string>()}}};
      for (const auto& turn : entry["history"]) {
        messages.push_back({ChatRole::kUser, Parts(turn[0].get<std::string>(), next_image)});
        messages.push_back({ChatRole::kAssistant, {turn[1].get<std::string>()}});
      }
      messages.push_back({ChatRole::kUser, Parts(entry["q"].get<std::string>(), next_image)});
      prompt = (*card)->RenderConversation(messages, images);
    }
    ASSERT_TRUE(prompt.ok()) << Message(prompt.status());
    EXPECT_EQ(prompt->ids, ReadIds(kGolden + "/" + entry["file"].get<std::string>(), "input_ids")) << entry["id"];
    EXPECT_EQ(prompt->images.size(), images.size());
    for (const ImageSpan& span : prompt->images) EXPECT_EQ(span.rows, 1225);
  }
}

class XComposer2CardTest : public testing::Test {
 protected:
  void SetUp() override {
    auto card = LoadModelCard(kGolden);
    ASSERT_TRUE(card.ok());
    card_ = *std::move(card);
  }
  StatusOr<TokenizedPrompt> Chat(std::vector<ChatMessage> messages) { return card_->RenderConversation(messages, {}); }
  std::string Text(const TokenizedPrompt& prompt) const {
    std::string text;
    for (const TokenId id : prompt.ids) text += card_->tokenizer().Bytes(id);
    return text;
  }
  std::unique_ptr<ModelCard> card_;
};

TEST_F(XComposer2CardTest, TurnsFollowTheTemplate) {
  const auto prompt = Chat({{ChatRole::kSystem, {"S"}}, {ChatRole::kUser, {"q1"}}, {ChatRole::kAssistant, {"a1"}}, {ChatRole::kUser, {"q2"}}});
  EXPECT_EQ(Text(*prompt),
            "[UNUSED_TOKEN_146]system\nS[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]user\nq1[UNUSED_TOKEN_145]\n"
            "[UNUSED_TOKEN_146]assistant\na1[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]user\nq2[UNUSED_TOKEN_145]\n"
            "[UNUSED_TOKEN_146]assistant\n");
}

TEST_F(XComposer2CardTest, TheSystemTurnIsThePublishedOneAnotherOrNone) {
  EXPECT_THAT(Text(*Chat({{ChatRole::kUser, {"q"}}})), HasSubstr("whose name is InternLM-XComposer"));
  EXPECT_THAT(Text(*Chat({{ChatRole::kSystem, {""}}, {ChatRole::kUser, {"q"}}})), testing::StartsWith("[UNUSED_TOKEN_146]user"));
}

TEST_F(XComposer2CardTest, ALastAssistantMessageIsContinued) {
  EXPECT_THAT(Text(*Chat({{ChatRole::kUser, {"q"}}, {ChatRole::kAssistant, {"It is"}}})),
              testing::EndsWith("[UNUSED_TOKEN_146]assistant\nIt is"));
}

TEST_F(XComposer2CardTest, RolesOutOfOrderAreRefused) {
  for (const std::vector<ChatRole>& roles :
       {std::vector<ChatRole>{}, {ChatRole::kSystem}, {ChatRole::kAssistant}, {ChatRole::kUser, ChatRole::kUser}, {ChatRole::kUser, ChatRole::kSystem}}) {
    std::vector<ChatMessage> messages;
    for (const ChatRole role : roles) messages.push_back({role, {"x"}});
    EXPECT_EQ(Chat(messages).status().code(), StatusCode::kInvalidArgument);
  }
}

TEST_F(XComposer2CardTest, ATextIsOnlyTextInAConversationAndActsInARawPrompt) {
  const TokenId end = card_->tokenizer().SpecialId("[UNUSED_TOKEN_145]");
  const auto count = [&](const TokenizedPrompt& prompt) { return std::count(prompt.ids.begin(), prompt.ids.end(), end); };
  EXPECT_EQ(count(*Chat({{ChatRole::kSystem, {""}}, {ChatRole::kUser, {"[UNUSED_TOKEN_145]"}}})), 1);
  EXPECT_EQ(count(*card_->RenderRaw(std::vector<PromptPart>{"[UNUSED_TOKEN_145]"}, {})), 1);
}

TEST_F(XComposer2CardTest, TokenPromptsTakePicturesWhereTheyArePlaced) {
  const std::vector<TokenId> ids = {1, 10, 11};
  const std::vector<PromptImage> images = {{{5, 5}}};
  const auto prompt = card_->RenderTokens(ids, std::vector<PlacedImage>{{1, 0}}, images);
  ASSERT_TRUE(prompt.ok());
  EXPECT_EQ(prompt->ids.size(), 3u + 1225);
  EXPECT_EQ(prompt->images, (std::vector<ImageSpan>{{1, 1225, 0}}));
  EXPECT_EQ(prompt->ids.back(), 11);
  EXPECT_FALSE(card_->RenderTokens(ids, std::vector<PlacedImage>{{4, 0}}, images).ok());
  EXPECT_FALSE(card_->RenderTokens(std::vector<TokenId>{card_->vocab_size()}, {}, {}).ok());
  EXPECT_FALSE(card_->RenderTokens(std::vector<TokenId>{-1}, {}, {}).ok());
}

TEST_F(XComposer2CardTest, TilesAreRefusedByName) {
  EXPECT_TRUE(card_->ImageRows({{1, 1}, 1}).ok());
  const auto rows = card_->ImageRows({{1, 1}, 9});
  EXPECT_THAT(std::string(Message(rows.status())), AllOf(HasSubstr("max_tiles is 9"), HasSubstr("0 and 1")));
}

struct BadConfig {
  const char* key;
  const char* value;
};
class BadXComposer2Config : public testing::TestWithParam<BadConfig> {};

TEST_P(BadXComposer2Config, NamesFileAndKey) {
  auto config = nlohmann::json::parse(*ReadTextFile(kGolden + "/config.json"));
  config[GetParam().key] = nlohmann::json::parse(GetParam().value);
  const auto parsed = internlm_xcomposer2::ParseConfig(config.dump(), "dir/config.json");
  EXPECT_EQ(parsed.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(parsed.status())), AllOf(HasSubstr("dir/config.json"), HasSubstr(GetParam().key)));
}

INSTANTIATE_TEST_SUITE_P(All,
                         BadXComposer2Config,
                         testing::Values(BadConfig{"num_attention_heads", "0"},
                                         BadConfig{"num_attention_heads", "7"},
                                         BadConfig{"num_key_value_heads", "3"},
                                         BadConfig{"num_hidden_layers", "1000000000"},
                                         BadConfig{"vocab_size", "-1"},
                                         BadConfig{"vocab_size", "\"many\""},
                                         BadConfig{"rms_norm_eps", "2"},
                                         BadConfig{"rope_theta", "0"},
                                         BadConfig{"rope_scaling", "{\"type\": \"yarn\", \"factor\": 1.0}"},
                                         BadConfig{"rope_scaling", "{\"type\": \"linear\", \"factor\": 0.5}"},
                                         BadConfig{"rope_scaling", "3"},
                                         BadConfig{"bias", "1"},
                                         BadConfig{"img_size", "491"},
                                         BadConfig{"img_size", "14000"},
                                         BadConfig{"img_size", "null"},
                                         BadConfig{"vision_config", "{\"patch_size\": 0}"},
                                         BadConfig{"vision_config", "3"}));

TEST(LoadModelCard, WhatIsNotServedIsNamed) {
  const std::string dir = testing::TempDir() + "/strange_model";
  std::filesystem::create_directories(dir);
  std::ofstream(dir + "/config.json") << R"({"model_type": "gpt2"})";
  EXPECT_THAT(std::string(Message(LoadModelCard(dir).status())), AllOf(HasSubstr("'gpt2'"), HasSubstr("internlmxcomposer2")));
  std::ofstream(dir + "/config.json") << "not json";
  EXPECT_THAT(std::string(Message(LoadModelCard(dir).status())), HasSubstr("config.json"));
  std::filesystem::remove_all(dir);
  EXPECT_THAT(std::string(Message(LoadModelCard(dir).status())), HasSubstr("config.json"));
}

}  // namespace
}  // namespace triptych
