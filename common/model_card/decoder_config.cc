#include "common/model_card/decoder_config.h"

#include <algorithm>
#include <string>

namespace triptych {
namespace {

constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxTokens = 1 << 24;

int32_t ContextTokens(const DecoderConfig& config) {
  const auto kind = config.rope_scaling.kind;
  const bool grows = kind == RopeScaling::Kind::kLinear || kind == RopeScaling::Kind::kDynamic;
  const double tokens = config.max_position_embeddings * (grows ? config.rope_scaling.factor : 1.0);
  return static_cast<int32_t>(std::min(tokens, static_cast<double>(kMaxTokens)));
}

}  // namespace

void ReadTokenIds(JsonConfig& json, std::string_view key, int32_t vocab_size, std::vector<TokenId>* ids) {
  if (!json.Has(key)) return;
  const nlohmann::json& value = json.object()[std::string(key)];
  std::vector<TokenId> found;
  for (const nlohmann::json& id : value.is_array() ? value : nlohmann::json::array({value})) {
    const bool fits = id.is_number_integer() && id.get<int64_t>() >= 0 && id.get<int64_t>() < vocab_size;
    json.Require(fits, key, fmt::format("{} is not a token id below {}", id.dump(), vocab_size));
    if (!fits) return;
    found.push_back(id.get<TokenId>());
  }
  *ids = std::move(found);
}

void ReadDecoderConfig(JsonConfig& json, DecoderConfig* config) {
  std::string activation = "silu";
  json.Text("hidden_act", &activation);
  json.Require(activation == "silu", "hidden_act", fmt::format("'{}' is not supported; allowed is silu", activation));
  json.Integer("vocab_size", &config->vocab_size, 1, kMaxTokens);
  json.Integer("hidden_size", &config->hidden_size, 1, kMaxWidth);
  json.Integer("intermediate_size", &config->intermediate_size, 1, kMaxWidth);
  json.Integer("num_hidden_layers", &config->num_layers, 1, 1000);
  json.Integer("num_attention_heads", &config->num_heads, 1, kMaxWidth);
  config->num_kv_heads = config->num_heads;
  json.Integer("num_key_value_heads", &config->num_kv_heads, 1, kMaxWidth);
  json.Require(json.Has("head_dim") || config->hidden_size % config->num_heads == 0, "num_attention_heads", "it does not divide hidden_size");
  json.Require(config->num_heads % config->num_kv_heads == 0, "num_key_value_heads", "it does not divide num_attention_heads");
  config->head_dim = config->hidden_size / config->num_heads;
  json.Integer("head_dim", &config->head_dim, 1, 1 << 14);
  json.Require(config->head_dim > 0 && config->head_dim % 2 == 0, "head_dim", fmt::format("{} is not even", config->head_dim));
  json.Flag("attention_bias", &config->attention_bias);
  json.Flag("mlp_bias", &config->mlp_bias);
  json.Flag("tie_word_embeddings", &config->tied_embeddings);
  json.Number("rms_norm_eps", &config->rms_norm_eps, 0, 1);
  json.Number("rope_theta", &config->rope_theta, 1, 1e12);
  json.Integer("max_position_embeddings", &config->max_position_embeddings, 1, kMaxTokens);
  ReadRopeScaling(json, &config->rope_scaling, &config->rope_theta);
  json.Integer("bos_token_id", &config->bos_token_id, 0, config->vocab_size - 1);
  ReadTokenIds(json, "eos_token_id", config->vocab_size, &config->eos_token_ids);
  config->context_tokens = ContextTokens(*config);
}

}  // namespace triptych
