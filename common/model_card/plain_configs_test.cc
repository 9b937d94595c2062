#include "common/json/json_config.h"
#include "common/model_card/internlm2/config.h"
#include "common/model_card/llama/config.h"
#include "common/model_card/llava/config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Kind = RopeScaling::Kind;

TEST(LlamaConfigTest, AbsentKeysHaveTheDefaultsOfTransformers) {
  const auto config = llama::ParseConfig("{}", "config.json");
  ASSERT_TRUE(config.ok()) << Message(config.status());
  EXPECT_EQ(config->vocab_size, 32000);
  EXPECT_EQ(config->num_kv_heads, 32);
  EXPECT_EQ(config->head_dim, 128);
  EXPECT_EQ(config->context_tokens, 2048);
  EXPECT_EQ(config->rope_scaling.kind, Kind::kNone);
  EXPECT_FALSE(config->attention_bias || config->mlp_bias || config->tied_embeddings);
  EXPECT_THAT(config->eos_token_ids, ElementsAre(2));
}

TEST(LlamaConfigTest, ReadsSmolLm2) {
  const auto config = llama::ParseConfig(R"({"model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
      "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "max_position_embeddings": 8192, "rope_theta": 100000,
      "rope_scaling": null, "tie_word_embeddings": true, "rms_norm_eps": 1e-05, "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu"})",
                                         "config.json");
  ASSERT_TRUE(config.ok()) << Message(config.status());
  EXPECT_EQ(config->head_dim, 64);
  EXPECT_EQ(config->num_kv_heads, 3);
  EXPECT_TRUE(config->tied_embeddings);
  EXPECT_EQ(config->rope_theta, 100000);
}

TEST(LlamaConfigTest, ReadsAllKindsOfRopeScaling) {
  const auto read = [](const std::string& scaling) { return llama::ParseConfig(scaling, "config.json"); };
  const auto linear = read(R"({"rope_scaling": {"type": "linear", "factor": 4.0}, "max_position_embeddings": 100})");
  EXPECT_EQ(linear->rope_scaling.kind, Kind::kLinear);
  EXPECT_EQ(linear->context_tokens, 400);
  const auto dynamic = read(R"({"rope_scaling": {"rope_type": "dynamic", "factor": 2}, "max_position_embeddings": 100})");
  EXPECT_EQ(dynamic->rope_scaling.kind, Kind::kDynamic);
  EXPECT_EQ(dynamic->context_tokens, 200);
  const auto llama3 = read(R"({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 2.0, "high_freq_factor": 3.0,
      "original_max_position_embeddings": 50}, "max_position_embeddings": 400})");
  EXPECT_EQ(llama3->rope_scaling.kind, Kind::kLlama3);
  EXPECT_EQ(llama3->rope_scaling.low_freq_factor, 2);
  EXPECT_EQ(llama3->rope_scaling.high_freq_factor, 3);
  EXPECT_EQ(llama3->rope_scaling.trained_tokens, 50);
  EXPECT_EQ(llama3->context_tokens, 400);
  const auto newer = read(R"({"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}})");
  EXPECT_EQ(newer->rope_scaling.kind, Kind::kNone);
  EXPECT_EQ(newer->rope_theta, 500000);
}

TEST(LlamaConfigTest, EndsMayBeSeveral) {
  EXPECT_THAT(llama::ParseConfig(R"({"eos_token_id": [5, 6]})", "config.json")->eos_token_ids, ElementsAre(5, 6));
}

TEST(InternLm2ConfigTest, BiasIsThatOfAttention) {
  EXPECT_TRUE(internlm2::ParseConfig("{}", "config.json")->attention_bias);
  EXPECT_EQ(internlm2::ParseConfig("{}", "config.json")->vocab_size, 103168);
  EXPECT_FALSE(internlm2::ParseConfig(R"({"bias": false})", "config.json")->attention_bias);
}

// As llava-1.5-7b-hf publishes it.
constexpr char kLlava[] = R"({"architectures": ["LlavaForConditionalGeneration"], "ignore_index": -100, "image_token_index": 32000,
    "model_type": "llava", "pad_token_id": 32001, "projector_hidden_act": "gelu",
    "text_config": {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 4096, "model_type": "llama", "rms_norm_eps": 1e-05,
                    "torch_dtype": "float16", "vocab_size": 32064},
    "tie_word_embeddings": false, "torch_dtype": "float16",
    "vision_config": {"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096, "model_type": "clip_vision_model",
                      "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768, "vocab_size": 32000},
    "vision_feature_layer": -2, "vision_feature_select_strategy": "default"})";
constexpr char kProcessor[] = R"({"crop_size": {"height": 336, "width": 336}, "do_center_crop": true, "do_convert_rgb": true,
    "do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_processor_type": "CLIPImageProcessor", "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3,
    "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 336}})";

TEST(LlavaConfigTest, ReadsThePublishedOne) {
  const auto config = llava::ParseConfig(kLlava, "config.json");
  ASSERT_TRUE(config.ok()) << Message(config.status());
  EXPECT_EQ(config->text.hidden_size, 4096);
  EXPECT_EQ(config->text.vocab_size, 32064);
  EXPECT_EQ(config->image_rows(), 576);
  EXPECT_EQ(config->tower_layers, 23);  // the last but one's output
  EXPECT_EQ(config->image_token_index, 32000);
  const auto steps = llava::ParsePreprocessing(kProcessor, "preprocessor_config.json", 336);
  ASSERT_TRUE(steps.ok()) << Message(steps.status());
  EXPECT_EQ(steps->shortest_edge, 336);
  EXPECT_EQ(steps->crop_size, 336);
}

TEST(LlavaConfigTest, LayersCountFromEitherEnd) {
  const auto layers = [](int layer) {
    auto json = nlohmann::json::parse(kLlava);
    json["vision_feature_layer"] = layer;
    const auto config = llava::ParseConfig(json.dump(), "config.json");
    return config.ok() ? config->tower_layers : -1;
  };
  EXPECT_EQ(layers(-1), 24);
  EXPECT_EQ(layers(-24), 1);
  EXPECT_EQ(layers(23), 23);
  EXPECT_EQ(layers(0), -1);
  EXPECT_EQ(layers(25), -1);
}

struct Bad {
  const char* path;  // JSON pointer
  const char* value;
  const char* named;
};
void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.path << "=" << bad.value; }

void ExpectNamed(const Status& status, const Bad& bad) {
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << bad.path;
  EXPECT_THAT(std::string(Message(status)), AllOf(HasSubstr("dir/file.json"), HasSubstr(bad.named))) << bad.path << " " << bad.value;
}

std::string Changed(std::string_view text, const Bad& bad) {
  auto json = nlohmann::json::parse(text);
  json[nlohmann::json::json_pointer(bad.path)] = nlohmann::json::parse(bad.value);
  return json.dump();
}

class BadLlamaConfig : public testing::TestWithParam<Bad> {};
TEST_P(BadLlamaConfig, NamesFileAndKey) { ExpectNamed(llama::ParseConfig(Changed("{}", GetParam()), "dir/file.json").status(), GetParam()); }
INSTANTIATE_TEST_SUITE_P(All,
                         BadLlamaConfig,
                         testing::Values(Bad{"/num_attention_heads", "0", "num_attention_heads"},
                                         Bad{"/num_attention_heads", "7", "num_attention_heads"},
                                         Bad{"/num_key_value_heads", "3", "num_key_value_heads"},
                                         Bad{"/head_dim", "63", "head_dim"},
                                         Bad{"/hidden_act", "\"gelu\"", "hidden_act: 'gelu'"},
                                         Bad{"/attention_bias", "1", "attention_bias"},
                                         Bad{"/vocab_size", "\"many\"", "vocab_size"},
                                         Bad{"/rms_norm_eps", "2", "rms_norm_eps"},
                                         Bad{"/eos_token_id", "[2, 32000]", "32000 is not a token id below 32000"},
                                         Bad{"/eos_token_id", "\"</s>\"", "eos_token_id"},
                                         Bad{"/rope_scaling", "3", "rope_scaling"},
                                         Bad{"/rope_scaling", R"({"type": "yarn", "factor": 2.0})", "rope_scaling.type: 'yarn'"},
                                         Bad{"/rope_scaling", R"({"type": "linear"})", "rope_scaling.factor"},
                                         Bad{"/rope_scaling", R"({"type": "linear", "factor": 0.5})", "rope_scaling.factor"},
                                         Bad{"/rope_scaling",
                                             R"({"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4})",
                                             "rope_scaling.high_freq_factor"}));

class BadLlavaConfig : public testing::TestWithParam<Bad> {};
TEST_P(BadLlavaConfig, NamesFileAndKey) { ExpectNamed(llava::ParseConfig(Changed(kLlava, GetParam()), "dir/file.json").status(), GetParam()); }
INSTANTIATE_TEST_SUITE_P(All,
                         BadLlavaConfig,
                         testing::Values(Bad{"/text_config", "null", "text_config"},
                                         Bad{"/text_config/model_type", "\"mistral\"", "text_config.model_type: 'mistral'"},
                                         Bad{"/text_config/num_attention_heads", "0", "text_config.num_attention_heads"},
                                         Bad{"/text_config/rope_scaling", R"({"type": "yarn"})", "text_config.rope_scaling.type"},
                                         Bad{"/vision_config", "3", "vision_config"},
                                         Bad{"/vision_config/model_type", "\"siglip_vision_model\"", "vision_config.model_type: 'siglip"},
                                         Bad{"/vision_config/hidden_act", "\"gelu\"", "vision_config.hidden_act"},
                                         Bad{"/vision_config/image_size", "337", "vision_config.image_size"},
                                         Bad{"/vision_config/num_attention_heads", "5", "vision_config.num_attention_heads"},
                                         Bad{"/vision_config/image_size", "4088", "more rows than the context"},
                                         Bad{"/vision_feature_layer", "-26", "vision_feature_layer"},
                                         Bad{"/vision_feature_layer", "[-2, -5]", "vision_feature_layer"},
                                         Bad{"/vision_feature_select_strategy", "\"full\"", "'full' is not supported"},
                                         Bad{"/projector_hidden_act", "\"relu\"", "projector_hidden_act"},
                                         Bad{"/multimodal_projector_bias", "false", "multimodal_projector_bias"},
                                         Bad{"/image_token_index", "32064", "image_token_index"},
                                         Bad{"/image_seq_length", "577", "577 are not the tower's 576"}));

class BadPreprocessing : public testing::TestWithParam<Bad> {};
TEST_P(BadPreprocessing, NamesFileAndKey) {
  ExpectNamed(llava::ParsePreprocessing(Changed(kProcessor, GetParam()), "dir/file.json", 336).status(), GetParam());
}
INSTANTIATE_TEST_SUITE_P(All,
                         BadPreprocessing,
                         testing::Values(Bad{"/do_center_crop", "false", "do_center_crop"},
                                         Bad{"/size", R"({"height": 336, "width": 336})", "size.height"},
                                         Bad{"/size", "335", "size: 335 is less than crop_size"},
                                         Bad{"/crop_size", R"({"height": 336, "width": 300})", "crop_size.width"},
                                         Bad{"/crop_size", "224", "crop_size: 224 is not the tower's image_size, 336"},
                                         Bad{"/resample", "2", "resample"},
                                         Bad{"/rescale_factor", "1", "rescale_factor"},
                                         Bad{"/image_mean", "[0.5, 0.5, 0.5]", "image_mean"},
                                         Bad{"/image_std", "0.5", "image_std"}));

}  // namespace
}  // namespace triptych
