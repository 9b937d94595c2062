// The cards of llama, internlm2 and llava against the reference's prompts, and what they say of themselves.
#include <cstring>
#include <filesystem>

#include "common/json/json_config.h"
#include "common/model_card/model_card.h"
#include "common/text_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Golden(const std::string& name) { return std::string(TRIPTYCH_TEST_DATA) + "/golden/" + name; }

std::unique_ptr<ModelCard> Load(const std::string& folder) {
  auto card = LoadModelCard(folder);
  EXPECT_TRUE(card.ok()) << Message(card.status());
  return card.ok() ? *std::move(card) : nullptr;
}

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

// A message's parts: pictures where <ImageHere> stands.
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

StatusOr<TokenizedPrompt> Render(const ModelCard& card, const nlohmann::json& entry) {
  const std::vector<PromptImage> images(entry["images"].size(), PromptImage{{100, 50}});
  int32_t next_image = 0;
  const auto parts = [&](const nlohmann::json& text) { return Parts(text.get<std::string>(), next_image); };
  if (entry["mode"] == "eval") return card.RenderRaw(parts(entry["q"]), images);
  std::vector<ChatMessage> messages;
  if (entry["meta"]) messages.push_back({ChatRole::kSystem, parts(entry["meta_instruction"])});
  for (const auto& turn : entry["history"]) {
    messages.push_back({ChatRole::kUser, parts(turn[0])});
    messages.push_back({ChatRole::kAssistant, parts(turn[1])});
  }
  messages.push_back({ChatRole::kUser, parts(entry["q"])});
  return card.RenderConversation(messages, images);
}

class PlainCardGolden : public testing::TestWithParam<const char*> {};

TEST_P(PlainCardGolden, PromptsAreTheReferencesTokenForToken) {
  const std::string folder = Golden(GetParam());
  const auto card = Load(folder);
  ASSERT_TRUE(card);
  const auto manifest = nlohmann::json::parse(*ReadTextFile(folder + "/manifest.json"));
  ASSERT_GE(manifest["cases"].size(), 3u);
  for (const auto& entry : manifest["cases"]) {
    const auto prompt = Render(*card, entry);
    ASSERT_TRUE(prompt.ok()) << Message(prompt.status());
    EXPECT_EQ(prompt->ids, ReadIds(folder + "/" + entry["file"].get<std::string>(), "input_ids")) << entry["id"];
    EXPECT_EQ(prompt->images.size(), entry["images"].size());
  }
  EXPECT_EQ(card->defaults().stop_token_ids, manifest["stop_ids"].get<std::vector<TokenId>>());
  EXPECT_TRUE(card->defaults().penalty_sees_prompt);
}

INSTANTIATE_TEST_SUITE_P(Sets,
                         PlainCardGolden,
                         testing::Values("llama-tiny", "internlm2-tiny", "llava-tiny"),
                         [](const auto& info) { return std::string(info.param, std::strcspn(info.param, "-")); });

TEST(PlainCards, SayWhatTheyAre) {
  const auto llama = Load(Golden("llama-tiny")), internlm2 = Load(Golden("internlm2-tiny")), llava = Load(Golden("llava-tiny"));
  ASSERT_TRUE(llama && internlm2 && llava);
  EXPECT_EQ(llama->family(), "llama");
  EXPECT_EQ(llama->context_tokens(), 512);
  EXPECT_EQ(llama->hidden_size(), 64);
  EXPECT_EQ(internlm2->family(), "internlm2");
  EXPECT_EQ(internlm2->context_tokens(), 400);  // 80, five times that by dynamic scaling
  EXPECT_EQ(llava->family(), "llava");
  EXPECT_TRUE(llava->accepts_images());
  EXPECT_EQ(llava->max_tiles(), 1);
  EXPECT_EQ(llama->max_tiles(), 0);
  EXPECT_TRUE(llama->accepts_conversations());
  EXPECT_EQ(llava->vocab_size(), 400);
  EXPECT_EQ(llava->image_placeholder(), 385);
  EXPECT_NE(llama->digest(), internlm2->digest());
}

TEST(PlainCards, TextModelsTakeNoPictures) {
  const auto card = Load(Golden("llama-tiny"));
  EXPECT_FALSE(card->accepts_images());
  EXPECT_THAT(std::string(Message(card->ImageRows({{5, 5}}).status())), HasSubstr("takes no pictures"));
  const std::vector<PromptImage> images = {{{5, 5}}};
  EXPECT_EQ(card->RenderRaw(std::vector<PromptPart>{ImageRef{0}}, images).status().code(), StatusCode::kInvalidArgument);
}

TEST(PlainCards, PicturesOfLlavaHaveOneRowForEachPatchAndNoTiles) {
  const auto card = Load(Golden("llava-tiny"));
  EXPECT_EQ(*card->ImageRows({{1, 1}, 1}), 16);
  EXPECT_EQ(*card->ImageTiles({{4000, 30}, 0}), 1);
  EXPECT_THAT(std::string(Message(card->ImageRows({{1, 1}, 9}).status())), HasSubstr("max_tiles is 9"));
}

// A copy of a golden checkpoint without its weights, for changes.
class ChangedCheckpoint : public testing::Test {
 protected:
  void Copy(const std::string& name) {
    for (const auto& entry : std::filesystem::directory_iterator(Golden(name))) {
      if (entry.is_directory() || entry.path().extension() == ".safetensors") continue;
      folder_.Write(entry.path().filename().string(), *ReadTextFile(entry.path()));
    }
  }
  fakes::TemporaryFolder folder_;
};

TEST_F(ChangedCheckpoint, WithoutAKnownTemplateConversationsAreRefusedAndRawPromptsAreNot) {
  Copy("llama-tiny");
  folder_.Write("tokenizer_config.json", R"({"chat_template": "{{ messages }}"})");
  const auto card = Load(folder_.path());
  ASSERT_TRUE(card);
  EXPECT_FALSE(card->accepts_conversations());
  const std::vector<ChatMessage> messages = {{ChatRole::kUser, {"q"}}};
  const auto refused = card->RenderConversation(messages, {});
  EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(refused.status())), testing::AllOf(HasSubstr("chat template"), HasSubstr("Llama 2"), HasSubstr("raw prompt")));
  EXPECT_TRUE(card->RenderRaw(std::vector<PromptPart>{"q"}, {}).ok());
}

TEST_F(ChangedCheckpoint, LlavaWithoutATemplateSpeaksThePublishedOne) {
  Copy("llava-tiny");
  const std::vector<ChatMessage> messages = {{ChatRole::kUser, {"q"}}};
  const auto published = Load(folder_.path())->RenderConversation(messages, {});
  std::filesystem::remove(folder_.File("chat_template.json"));
  EXPECT_EQ(Load(folder_.path())->RenderConversation(messages, {})->ids, published->ids);
  folder_.Write("chat_template.jinja", "[INST] <<SYS>>");
  EXPECT_FALSE(Load(folder_.path())->RenderConversation(messages, {}).ok());
}

TEST_F(ChangedCheckpoint, GenerationConfigSaysWhatStops) {
  Copy("llama-tiny");
  folder_.Write("generation_config.json", R"({"eos_token_id": [7, 2, 9]})");
  EXPECT_THAT(Load(folder_.path())->defaults().stop_token_ids, ElementsAre(7, 2, 9));
  folder_.Write("generation_config.json", R"({"eos_token_id": 384})");
  EXPECT_THAT(std::string(Message(LoadModelCard(folder_.path()).status())),
              testing::AllOf(HasSubstr("generation_config.json"), HasSubstr("eos_token_id"), HasSubstr("384")));
}

TEST_F(ChangedCheckpoint, PreprocessingIsPartOfTheDigest) {
  Copy("llava-tiny");
  const auto digest = Load(folder_.path())->digest();
  auto json = nlohmann::json::parse(*ReadTextFile(folder_.File("preprocessor_config.json")));
  json["size"]["shortest_edge"] = 60;
  folder_.Write("preprocessor_config.json", json.dump());
  EXPECT_NE(Load(folder_.path())->digest(), digest);
  std::filesystem::remove(folder_.File("preprocessor_config.json"));
  EXPECT_THAT(std::string(Message(LoadModelCard(folder_.path()).status())), HasSubstr("preprocessor_config.json"));
}

}  // namespace
}  // namespace triptych
