#include "common/model_card/internlm_xcomposer/config.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/json/json_config.h"
#include "common/text_file.h"

namespace triptych::internlm_xcomposer {
namespace {

constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxSide = 4096;
constexpr int64_t kMaxLayers = 1000;

void ReadText(JsonConfig& json, DecoderConfig* text) {
  text->vocab_size = 103168;
  text->rms_norm_eps = 1e-5;
  text->attention_bias = true;
  json.Flag("kqvo_bias", &text->attention_bias);
  for (const char* key : {"attention_bias", "mlp_bias", "num_key_value_heads", "head_dim",
                          "rope_theta", "rope_scaling", "rope_parameters"}) {
    json.Require(!json.Has(key), key, "it is no key of this family");
  }
  bool converted = true;
  json.Flag("intern_converted_llm", &converted);
  json.Require(converted, "intern_converted_llm", "false is not supported");
  ReadDecoderConfig(json, text);
}

void ReadVision(JsonConfig& json, VisionConfig* vision) {
  const nlohmann::json* object = json.Object("vision_config");
  if (object == nullptr) return;
  JsonConfig inner(*object, json.file(), "vision_config.");
  std::string type = "eva_vit";
  inner.Text("type", &type);
  inner.Require(type == "eva_vit", "type",
                fmt::format("'{}' is not supported; allowed is eva_vit", type));
  inner.Integer("embed_dim", &vision->hidden_size, 1, kMaxWidth);
  inner.Integer("mlp_hidden", &vision->intermediate_size, 1, kMaxWidth);
  inner.Integer("depth", &vision->num_layers, 1, kMaxLayers);
  inner.Integer("num_heads", &vision->num_heads, 1, kMaxWidth);
  inner.Integer("image_size", &vision->image_size, 1, kMaxSide);
  inner.Integer("patch_size", &vision->patch_size, 1, kMaxSide);
  inner.Number("layer_norm_eps", &vision->layer_norm_eps, 0, 1);
  inner.Require(vision->hidden_size % vision->num_heads == 0, "num_heads",
                "it does not divide embed_dim");
  inner.Require(vision->image_size % vision->patch_size == 0, "image_size",
                "it is not a multiple of patch_size");
  json.Take(inner.status());
}

void ReadSampler(JsonConfig& json, SamplerConfig* sampler) {
  json.Integer("num_query_token", &sampler->num_queries, 1, kMaxWidth);
  const nlohmann::json* object = json.Object("qformer_config");
  if (object == nullptr) return;
  JsonConfig inner(*object, json.file(), "qformer_config.");
  inner.Integer("hidden_size", &sampler->hidden_size, 1, kMaxWidth);
  inner.Integer("intermediate_size", &sampler->intermediate_size, 1, kMaxWidth);
  inner.Integer("num_hidden_layers", &sampler->num_layers, 1, kMaxLayers);
  inner.Integer("num_attention_heads", &sampler->num_heads, 1, kMaxWidth);
  inner.Integer("cross_attention_freq", &sampler->cross_attention_freq, 1, kMaxLayers);
  inner.Number("layer_norm_eps", &sampler->layer_norm_eps, 0, 1);
  inner.Require(sampler->hidden_size % sampler->num_heads == 0, "num_attention_heads",
                "it does not divide hidden_size");
  json.Take(inner.status());
}

// "internlm_lora" is what the published code gives to the constructor of each layer that
// "learn_param" names; the defaults are that constructor's.
void ReadLora(JsonConfig& json, LoraConfig* lora) {
  const nlohmann::json* object = json.Object("internlm_lora");
  if (object == nullptr) return;
  JsonConfig inner(*object, json.file(), "internlm_lora.");
  double alpha = 16;
  inner.Integer("lora_r", &lora->rank, 1, kMaxWidth);
  inner.Number("lora_alpha", &alpha, 0, 1e6);
  lora->scale = alpha / lora->rank;
  const nlohmann::json* layers = inner.Array("learn_param");
  inner.Require(layers != nullptr, "learn_param", "it is missing");
  using Flag = std::pair<std::string_view, bool*>;
  const Flag known[] = {{"q", &lora->queries},
                        {"k", &lora->keys},
                        {"v", &lora->values},
                        {"o", &lora->output},
                        {"ffn", &lora->feed_forward}};
  for (const nlohmann::json& layer : layers != nullptr ? *layers : nlohmann::json::array()) {
    const std::string name = layer.is_string() ? layer.get<std::string>() : "";
    const auto found = std::ranges::find(known, name, &Flag::first);
    if (found != std::end(known)) *found->second = true;
    inner.Require(found != std::end(known), "learn_param",
                  fmt::format("{} is not supported; allowed are q, k, v, o and ffn", layer.dump()));
  }
  json.Take(inner.status());
}

}  // namespace

StatusOr<Config> ParseConfig(std::string_view text, std::string_view file_name) {
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json object, ParseJsonObject(text, file_name));
  JsonConfig json(object, std::string(file_name));
  Config config;
  ReadText(json, &config.text);
  ReadVision(json, &config.vision);
  ReadSampler(json, &config.sampler);
  ReadLora(json, &config.lora);
  json.Require(config.image_rows() < config.text.context_tokens, "num_query_token",
               "one picture takes more rows than the context has");
  TRIPTYCH_RETURN_IF_ERROR(json.status());
  return config;
}

StatusOr<Config> LoadConfig(const std::string& model_dir) {
  const std::string path = model_dir + "/config.json";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  return ParseConfig(text, path);
}

}  // namespace triptych::internlm_xcomposer
