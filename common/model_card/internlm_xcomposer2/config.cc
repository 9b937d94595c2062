#include "common/model_card/internlm_xcomposer2/config.h"

#include <algorithm>

#include "common/json/json_config.h"

namespace triptych::internlm_xcomposer2 {
namespace {

constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxTokens = 1 << 24;

void ReadRopeScaling(JsonConfig& json, Config& config) {
  if (!json.Has("rope_scaling")) return;
  const nlohmann::json& scaling = json.object()["rope_scaling"];
  const bool shaped = scaling.is_object() && scaling.size() == 2 && scaling.contains("type") && scaling.contains("factor") &&
                      scaling["type"].is_string() && scaling["factor"].is_number();
  json.Require(shaped, "rope_scaling", "it is not {\"type\": \"linear\" or \"dynamic\", \"factor\": number}");
  if (!shaped) return;
  const std::string type = scaling["type"];
  json.Require(type == "linear" || type == "dynamic", "rope_scaling", "its type is neither linear nor dynamic");
  config.rope_scaling = type == "linear" ? RopeScaling::kLinear : RopeScaling::kDynamic;
  config.rope_factor = scaling["factor"];
  json.Require(config.rope_factor >= 1 && config.rope_factor <= 1e6, "rope_scaling", "its factor is not at least 1");
}

void ReadVision(JsonConfig& json, Config& config) {
  if (!json.Has("vision_config")) return;
  const nlohmann::json& object = json.object()["vision_config"];
  json.Require(object.is_object(), "vision_config", "it is not an object");
  if (!object.is_object()) return;
  JsonConfig inner(object, json.file(), "vision_config.");
  VisionConfig& vision = config.vision;
  inner.Integer("hidden_size", &vision.hidden_size, 1, kMaxWidth);
  inner.Integer("intermediate_size", &vision.intermediate_size, 1, kMaxWidth);
  inner.Integer("num_hidden_layers", &vision.num_layers, 1, 1000);
  inner.Integer("num_attention_heads", &vision.num_heads, 1, kMaxWidth);
  inner.Integer("patch_size", &vision.patch_size, 1, 1024);
  inner.Number("layer_norm_eps", &vision.layer_norm_eps, 0, 1);
  inner.Require(vision.hidden_size % vision.num_heads == 0, "num_attention_heads", "it does not divide hidden_size");
  json.Take(inner.status());
}

void CheckTogether(JsonConfig& json, const Config& config) {
  json.Require(config.hidden_size % config.num_heads == 0, "num_attention_heads", "it does not divide hidden_size");
  json.Require(config.num_heads % config.num_kv_heads == 0, "num_key_value_heads", "it does not divide num_attention_heads");
  json.Require(config.head_dim() % 2 == 0, "num_attention_heads", "hidden_size / num_attention_heads is odd");
  json.Require(config.img_size % config.vision.patch_size == 0, "img_size", "it is not a multiple of the patch size");
  json.Require(config.image_rows() < config.context_tokens, "img_size", "one picture takes more rows than the context has");
}

}  // namespace

StatusOr<Config> ParseConfig(std::string_view text, std::string_view file_name) {
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json object, ParseJsonObject(text, file_name));
  JsonConfig json(object, std::string(file_name));
  if (!json.Has("img_size")) {
    return FailedPrecondition("{}: img_size is missing: checkpoints that cut pictures into tiles (4KHD, 2.5) are not served",
                              file_name);
  }
  Config config;
  json.Integer("vocab_size", &config.vocab_size, 1, kMaxTokens);
  json.Integer("hidden_size", &config.hidden_size, 1, kMaxWidth);
  json.Integer("intermediate_size", &config.intermediate_size, 1, kMaxWidth);
  json.Integer("num_hidden_layers", &config.num_layers, 1, 1000);
  json.Integer("num_attention_heads", &config.num_heads, 1, kMaxWidth);
  config.num_kv_heads = config.num_heads;
  json.Integer("num_key_value_heads", &config.num_kv_heads, 1, kMaxWidth);
  json.Flag("bias", &config.bias);
  json.Number("rms_norm_eps", &config.rms_norm_eps, 0, 1);
  json.Number("rope_theta", &config.rope_theta, 1, 1e12);
  json.Integer("max_position_embeddings", &config.max_position_embeddings, 1, kMaxTokens);
  int32_t max_length = config.max_position_embeddings;
  json.Integer("max_length", &max_length, 1, kMaxTokens);
  config.context_tokens = std::max(max_length, config.max_position_embeddings);
  json.Integer("img_size", &config.img_size, 1, 16384);
  json.Integer("bos_token_id", &config.bos_token_id, 0, config.vocab_size - 1);
  json.Integer("eos_token_id", &config.eos_token_id, 0, config.vocab_size - 1);
  ReadRopeScaling(json, config);
  ReadVision(json, config);
  if (json.status().ok()) CheckTogether(json, config);
  if (!json.status().ok()) return json.status();
  return config;
}

StatusOr<Config> LoadConfig(const std::string& model_dir) {
  const std::string path = model_dir + "/config.json";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  return ParseConfig(text, path);
}

}  // namespace triptych::internlm_xcomposer2
