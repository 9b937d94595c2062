#include "common/model_card/internlm_xcomposer/config.h"

#include <ostream>
#include <string>

#include "common/json/json_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych::internlm_xcomposer {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// As a released 7B has it, by what is known of it.
constexpr char kReleased[] = R"({"architectures": ["InternLMXComposerForCausalLM"], "bias": true,
    "bos_token_id": 1, "device": "cuda", "eos_token_id": 2, "hidden_act": "silu",
    "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 11008,
    "intern_converted_llm": true,
    "internlm_lora": {"freeze": false, "learn_param": ["q", "v", "ffn"], "lora_alpha": 256.0,
                      "lora_dropout": 0.05, "lora_r": 256, "train": true},
    "kqvo_bias": true, "max_position_embeddings": 2048, "model_type": "InternLMXComposer",
    "num_attention_heads": 32, "num_hidden_layers": 32, "num_quant": 32, "num_query_token": 64,
    "pad_token_id": -1, "rms_norm_eps": 1e-05, "rope_scaling": null, "tie_word_embeddings": false,
    "torch_dtype": "float32", "use_cache": false, "vocab_size": 103168})";

TEST(InternLmXComposerConfig, AbsentKeysHaveTheDefaultsOfThePublishedClassAndOfItsTowers) {
  const auto config = ParseConfig("{}", "config.json");
  ASSERT_TRUE(config.ok()) << Message(config.status());
  EXPECT_EQ(config->text.vocab_size, 103168);
  EXPECT_EQ(config->text.rms_norm_eps, 1e-5);
  EXPECT_EQ(config->text.num_kv_heads, 32);
  EXPECT_TRUE(config->text.attention_bias);
  EXPECT_FALSE(config->text.mlp_bias);
  EXPECT_EQ(config->text.context_tokens, 2048);
  EXPECT_EQ(config->image_rows(), 34);
  EXPECT_EQ(config->vision.tokens(), 257);
  EXPECT_EQ(config->vision.num_layers, 39);
  EXPECT_EQ(config->sampler.hidden_size, 768);
  const LoraConfig& lora = config->lora;
  EXPECT_FALSE(lora.queries || lora.keys || lora.values || lora.output || lora.feed_forward);
}

TEST(InternLmXComposerConfig, ReadsAReleasedOne) {
  const auto config = ParseConfig(kReleased, "config.json");
  ASSERT_TRUE(config.ok()) << Message(config.status());
  EXPECT_EQ(config->image_rows(), 66);
  EXPECT_TRUE(config->lora.queries && config->lora.values && config->lora.feed_forward);
  EXPECT_FALSE(config->lora.keys || config->lora.output);
  EXPECT_EQ(config->lora.rank, 256);
  EXPECT_EQ(config->lora.scale, 1);
}

TEST(InternLmXComposerConfig, ScaleIsAlphaByRankWithTheConstructorsDefaults) {
  const auto scale = [](const char* lora) {
    const std::string config = std::string(R"({"internlm_lora": )") + lora + "}";
    return ParseConfig(config, "config.json")->lora.scale;
  };
  EXPECT_EQ(scale(R"({"learn_param": ["o"]})"), 2);
  EXPECT_EQ(scale(R"({"learn_param": [], "lora_r": 64})"), 0.25);
  EXPECT_EQ(scale(R"({"learn_param": ["k"], "lora_r": 32, "lora_alpha": 48})"), 1.5);
  EXPECT_EQ(scale("null"), 2);  // of nothing
}

struct Bad {
  const char* path;  // JSON pointer
  const char* value;
  const char* named;
};
void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.path << "=" << bad.value; }

class BadConfig : public testing::TestWithParam<Bad> {};

TEST_P(BadConfig, NamesFileAndKey) {
  auto json = nlohmann::json::parse(kReleased);
  json[nlohmann::json::json_pointer(GetParam().path)] = nlohmann::json::parse(GetParam().value);
  const Status status = ParseConfig(json.dump(), "dir/file.json").status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(status)),
              AllOf(HasSubstr("dir/file.json"), HasSubstr(GetParam().named)));
}

INSTANTIATE_TEST_SUITE_P(
    All,
    BadConfig,
    testing::Values(
        Bad{"/num_attention_heads", "33", "num_attention_heads: it does not divide"},
        Bad{"/kqvo_bias", "1", "kqvo_bias"},
        Bad{"/intern_converted_llm", "false", "intern_converted_llm: false is not supported"},
        Bad{"/rope_theta", "10000", "rope_theta: it is no key of this family"},
        Bad{"/rope_scaling", R"({"type": "linear", "factor": 2.0})", "rope_scaling"},
        Bad{"/num_key_value_heads", "8", "num_key_value_heads"},
        Bad{"/num_query_token", "0", "num_query_token"},
        Bad{"/num_query_token", "2046", "more rows than the context"},
        Bad{"/internlm_lora", "[]", "internlm_lora"},
        Bad{"/internlm_lora/lora_r", "0", "internlm_lora.lora_r"},
        Bad{"/internlm_lora/lora_alpha", "\"x\"", "internlm_lora.lora_alpha"},
        Bad{"/internlm_lora/learn_param", "null", "internlm_lora.learn_param: it is missing"},
        Bad{"/internlm_lora/learn_param", R"(["q", "gate"])", "\"gate\" is not supported"},
        Bad{"/internlm_lora/learn_param", "[3]", "allowed are q, k, v, o and ffn"},
        Bad{"/vision_config", "3", "vision_config"},
        Bad{"/vision_config", R"({"type": "clip"})", "vision_config.type: 'clip'"},
        Bad{"/vision_config", R"({"image_size": 225})", "vision_config.image_size"},
        Bad{"/vision_config", R"({"num_heads": 5})", "vision_config.num_heads"},
        Bad{"/qformer_config", R"({"num_attention_heads": 7})", "qformer_config.num_attention"},
        Bad{"/qformer_config", R"({"cross_attention_freq": 0})", "qformer_config.cross_att"}));

}  // namespace
}  // namespace triptych::internlm_xcomposer
