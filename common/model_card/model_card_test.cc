#include "common/model_card/model_card.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "common/json/json_config.h"
#include "common/limits.h"
#include "common/model_card/checkpoint_outline.h"
#include "common/model_card/image_header.h"
#include "common/model_card/internlm_xcomposer2/config.h"
#include "common/text_file.h"
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

std::string GoldenFolder(const std::string& set) { return std::string(TRIPTYCH_TEST_DATA) + "/golden/" + set; }

// The case's pictures as a prompt sees them.
std::vector<PromptImage> Images(const std::string& folder, const nlohmann::json& entry) {
  std::vector<PromptImage> images;
  for (const auto& name : entry["images"]) {
    const std::string file = *ReadTextFile(folder + "/" + name.get<std::string>());
    const auto header = ReadImageHeader({reinterpret_cast<const uint8_t*>(file.data()), file.size()}, RequestLimits{});
    EXPECT_TRUE(header.ok()) << header.status();
    const auto hd_num = entry.value("hd_num_used", nlohmann::json());
    images.push_back({header->size, hd_num.is_null() ? 0 : hd_num.get<int32_t>()});
  }
  return images;
}

// [BOS] picture text, as the evaluation scripts have it.
std::vector<PromptPart> PictureFirst(const std::vector<PromptImage>& images, const std::string& text) {
  std::vector<PromptPart> parts;
  for (size_t i = 0; i < images.size(); ++i) parts.emplace_back(ImageRef{static_cast<int32_t>(i)});
  parts.emplace_back(text);
  return parts;
}

StatusOr<TokenizedPrompt> Render(const ModelCard& card, const nlohmann::json& entry, const std::vector<PromptImage>& images) {
  const std::string question = entry["q"], meta = entry["meta_instruction"];
  const bool placed = entry.dump().find("<ImageHere>") != std::string::npos;
  int32_t next_image = 0;
  if (entry["mode"] == "eval") return card.RenderRaw(placed ? Parts(question, next_image) : PictureFirst(images, question), images);
  if (!images.empty() && !placed) {  // 2.5 puts it in front of the whole prompt
    const std::string text = "[UNUSED_TOKEN_146]system\n" + meta + "[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]user\n" + question +
                             "[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]assistant\n";
    return card.RenderRaw(PictureFirst(images, text), images);
  }
  std::vector<ChatMessage> messages = {{ChatRole::kSystem, {meta}}};
  for (const auto& turn : entry["history"]) {
    messages.push_back({ChatRole::kUser, Parts(turn[0].get<std::string>(), next_image)});
    messages.push_back({ChatRole::kAssistant, {turn[1].get<std::string>()}});
  }
  messages.push_back({ChatRole::kUser, Parts(question, next_image)});
  return card.RenderConversation(messages, images);
}

class ModelCardGolden : public testing::TestWithParam<std::string> {};

TEST_P(ModelCardGolden, PromptsAreTheReferencesTokenForToken) {
  const std::string folder = GoldenFolder(GetParam());
  const auto card = LoadModelCard(folder);
  ASSERT_TRUE(card.ok()) << Message(card.status());
  const auto manifest = nlohmann::json::parse(*ReadTextFile(folder + "/manifest.json"));
  int cases = 0;
  for (const auto& entry : manifest["cases"]) {
    if (!entry.contains("q")) continue;
    const std::vector<PromptImage> images = Images(folder, entry);
    const StatusOr<TokenizedPrompt> prompt = Render(**card, entry, images);
    ASSERT_TRUE(prompt.ok()) << Message(prompt.status());
    EXPECT_EQ(prompt->ids, ReadIds(folder + "/" + entry["file"].get<std::string>(), "input_ids")) << entry["id"];
    ASSERT_EQ(prompt->images.size(), images.size());
    for (size_t i = 0; i < images.size(); ++i) EXPECT_EQ(prompt->images[i].rows, entry["image_rows"][i].get<int32_t>()) << entry["id"];
    ++cases;
  }
  EXPECT_GE(cases, 3);
}

INSTANTIATE_TEST_SUITE_P(Sets, ModelCardGolden, testing::Values("xcomposer1-tiny", "xcomposer2-vl-tiny", "xcomposer2-4khd-tiny", "xcomposer2d5-tiny"), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

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
  EXPECT_EQ(card_->max_tiles(), 1);
  EXPECT_TRUE(card_->ImageRows({{1, 1}, 1}).ok());
  const auto rows = card_->ImageRows({{1, 1}, 9});
  EXPECT_THAT(std::string(Message(rows.status())), AllOf(HasSubstr("max_tiles is 9"), HasSubstr("0 and 1")));
}

class TiledCardTest : public testing::Test {
 protected:
  static std::unique_ptr<ModelCard> Load(const std::string& set) {
    auto card = LoadModelCard(GoldenFolder(set));
    EXPECT_TRUE(card.ok()) << card.status();
    return *std::move(card);
  }
  const std::unique_ptr<ModelCard> hd_ = Load("xcomposer2-4khd-tiny"), d5_ = Load("xcomposer2d5-tiny");
};

TEST_F(TiledCardTest, FamiliesAreTold) {
  EXPECT_EQ(hd_->family(), "internlm-xcomposer2-4khd");
  EXPECT_EQ(d5_->family(), "internlm-xcomposer2d5");
  EXPECT_TRUE(hd_->adapters().empty());
  EXPECT_THAT(d5_->adapters(), testing::ElementsAre("base", "web", "write"));
  EXPECT_EQ(hd_->max_tiles(), 128);
  EXPECT_EQ(d5_->max_tiles(), 128);
  EXPECT_EQ(hd_->DefaultMaxTiles(1), 25);
  EXPECT_EQ(d5_->DefaultMaxTiles(1), 24);
}

TEST_F(TiledCardTest, RowsAndTilesFollowFromTheSizeAlone) {
  EXPECT_EQ(*hd_->ImageTiles({{672, 336}, 2}), 3);
  EXPECT_EQ(*hd_->ImageRows({{672, 336}, 2}), 3 * 144 + 1 + 2 * 12);
  EXPECT_EQ(*hd_->ImageTiles({{672, 336}, 0}), *hd_->ImageTiles({{672, 336}, 25}));
  EXPECT_EQ(*d5_->ImageTiles({{100, 100}, 0}), 2);
  EXPECT_EQ(*d5_->ImageRows({{100, 100}, 0}), 841);
}

TEST_F(TiledCardTest, SeveralPicturesOf2d5HaveFewerTilesEachUnlessTheyAskForMore) {
  const ImageSize large{3000, 3000};
  const auto rows = [&](const ModelCard& card, std::vector<PromptImage> images) {
    std::vector<PromptPart> parts;
    for (size_t i = 0; i < images.size(); ++i) parts.emplace_back(ImageRef{static_cast<int32_t>(i)});
    std::vector<int32_t> counts;
    const auto prompt = card.RenderRaw(parts, images);
    EXPECT_TRUE(prompt.ok()) << prompt.status();
    for (const ImageSpan& span : prompt->images) counts.push_back(span.rows);
    return counts;
  };
  const int32_t by24 = *d5_->ImageRows({large, 24}), by6 = *d5_->ImageRows({large, 6}), by9 = *d5_->ImageRows({large, 9});
  EXPECT_THAT(rows(*d5_, {{large}}), testing::ElementsAre(by24));
  EXPECT_THAT(rows(*d5_, {{large}, {large, 9}}), testing::ElementsAre(by6, by9));
  const int32_t by25 = *hd_->ImageRows({large, 25});
  EXPECT_THAT(rows(*hd_, {{large}, {large}}), testing::ElementsAre(by25, by25));
}

TEST_F(TiledCardTest, TooManyTilesAndThinPicturesAreRefusedByName) {
  const auto message = [](const StatusOr<int32_t>& rows) { return std::string(Message(rows.status())); };
  for (const ModelCard* card : {hd_.get(), d5_.get()}) {
    EXPECT_THAT(message(card->ImageRows({{9, 9}, 129})), AllOf(HasSubstr("max_tiles is 129"), HasSubstr("0"), HasSubstr("128")));
    EXPECT_THAT(message(card->ImageTiles({{9, 9}, -1})), HasSubstr("max_tiles is -1"));
  }
  EXPECT_THAT(message(hd_->ImageRows({{337, 1}, 1})), HasSubstr("337 x 1"));
}

TEST_F(TiledCardTest, OnlyASystemMessageMakesASystemTurnIn2d5) {
  const std::vector<ChatMessage> bare = {{ChatRole::kUser, {"q"}}};
  const std::vector<ChatMessage> told = {{ChatRole::kSystem, {"S"}}, {ChatRole::kUser, {"q"}}};
  const auto count = [](const ModelCard& card, std::span<const ChatMessage> messages) { return card.RenderConversation(messages, {})->ids.size(); };
  const auto raw = [](const ModelCard& card, const std::string& text) { return card.RenderRaw(std::vector<PromptPart>{text}, {})->ids; };
  const std::string turns = "[UNUSED_TOKEN_146]user\nq[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]assistant\n";
  EXPECT_EQ(d5_->RenderConversation(bare, {})->ids, raw(*d5_, turns));
  EXPECT_EQ(d5_->RenderConversation(told, {})->ids, raw(*d5_, "[UNUSED_TOKEN_146]system\nS[UNUSED_TOKEN_145]\n" + turns));
  EXPECT_GT(count(*hd_, bare), count(*hd_, told)) << "4KHD's meta instruction stands in";
}

// config.json without the extension key, and what is beside it.
class TellTheVariantTest : public testing::Test {
 protected:
  TellTheVariantTest() : config_(nlohmann::json::parse(*ReadTextFile(GoldenFolder("xcomposer2-4khd-tiny") + "/config.json"))) {
    config_["vision_config"].erase("image_size");
    std::filesystem::create_directories(dir_);
  }
  ~TellTheVariantTest() override { std::filesystem::remove_all(dir_); }
  void Write(const std::string& name, const std::string& text) { std::ofstream(dir_ + "/" + name, std::ios::binary) << text; }
  StatusOr<internlm_xcomposer2::Config> Load() {
    Write("config.json", config_.dump());
    return internlm_xcomposer2::LoadConfig(dir_);
  }
  static std::string Safetensors(int rows) {
    const nlohmann::json header = {{kTable, {{"dtype", "F32"}, {"shape", {rows, 32}}, {"data_offsets", {0, 0}}}}};
    const std::string text = header.dump();
    return std::string(1, static_cast<char>(text.size())) + std::string(7, '\0') + text;
  }
  static std::string Index(const std::string& name, const std::string& file) { return nlohmann::json{{"weight_map", {{name, file}}}}.dump(); }

  static constexpr char kTable[] = "vit.vision_tower.vision_model.embeddings.position_embedding.weight";
  const std::string dir_ = testing::TempDir() + "/tell_the_variant";
  nlohmann::json config_;
};

using internlm_xcomposer2::Variant;

TEST_F(TellTheVariantTest, NothingTells) {
  EXPECT_THAT(std::string(Message(Load().status())), AllOf(HasSubstr("img_size"), HasSubstr("336 for 4KHD or 560 for 2.5")));
}

TEST_F(TellTheVariantTest, ByTheExtensionKeyWithoutWeights) {
  config_["vision_config"]["image_size"] = 560;
  EXPECT_EQ(Load()->variant, Variant::k2d5);
  EXPECT_TRUE(Load()->task_loras);
  config_["vision_config"]["image_size"] = 336;
  EXPECT_EQ(Load()->variant, Variant::k4khd);
  config_["vision_config"]["image_size"] = 448;
  EXPECT_THAT(std::string(Message(Load().status())), HasSubstr("tiles of 448 pixels"));
}

TEST_F(TellTheVariantTest, ByThePositionTable) {
  Write("model.safetensors", Safetensors(577));
  EXPECT_EQ(Load()->variant, Variant::k4khd);
  Write("model.safetensors", Safetensors(1601));
  ASSERT_TRUE(Load().ok()) << Load().status();
  EXPECT_EQ(Load()->variant, Variant::k2d5);
  EXPECT_FALSE(Load()->task_loras) << "merged away";
  Write("model.safetensors", Safetensors(1226));
  EXPECT_THAT(std::string(Message(Load().status())), HasSubstr("tiles of 490 pixels"));
}

TEST_F(TellTheVariantTest, ByThePositionTableInAShard) {
  Write("model.safetensors.index.json", Index(kTable, "part.safetensors"));
  Write("part.safetensors", Safetensors(1601));
  EXPECT_EQ(Load()->variant, Variant::k2d5);
}

TEST_F(TellTheVariantTest, ByTheNamesOfAnArchivesIndex) {
  Write("pytorch_model.bin.index.json", Index("model.layers.0.attention.wqkv.lora_web_A.weight", "a.bin"));
  EXPECT_EQ(Load()->variant, Variant::k2d5);
  EXPECT_TRUE(Load()->task_loras);
  Write("pytorch_model.bin.index.json", Index("plora_glb_GN", "a.bin"));
  EXPECT_EQ(Load()->variant, Variant::k4khd);
}

TEST_F(TellTheVariantTest, BrokenWeightFilesAreNamed) {
  for (const std::string& bytes : {std::string(), std::string("12345678"), std::string("\x05\0\0\0\0\0\0\0[", 9), Safetensors(577).substr(0, 20)}) {
    Write("model.safetensors", bytes);
    EXPECT_THAT(std::string(Message(Load().status())), HasSubstr("model.safetensors"));
  }
  std::filesystem::remove(dir_ + "/model.safetensors");
  for (const char* text : {"[]", "{}", R"({"weight_map": 3})", R"({"weight_map": {"a": 3}})"}) {
    Write("model.safetensors.index.json", text);
    EXPECT_THAT(std::string(Message(Load().status())), HasSubstr("model.safetensors.index.json"));
  }
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
