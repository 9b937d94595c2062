#include "common/model_card/internlm_xcomposer2/config.h"

#include <algorithm>
#include <cmath>

#include "common/json/json_config.h"
#include "common/model_card/checkpoint_outline.h"
#include "common/text_file.h"

namespace triptych::internlm_xcomposer2 {
namespace {

constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxTokens = 1 << 24;
constexpr int32_t k4khdSide = 336;
constexpr int32_t k2d5Side = 560;
constexpr std::string_view kPositionTable = "vit.vision_tower.vision_model.embeddings.position_embedding.weight";
constexpr std::string_view kTaskLora = "model.layers.0.attention.wqkv.lora_web_A.weight";

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

// The side of a tile, 0 where nothing tells.
int32_t TileSide(const JsonConfig& json, const VisionConfig& vision, const WeightTraits& weights) {
  const auto& object = json.object();
  if (object.contains("vision_config") && object["vision_config"].is_object()) {
    const nlohmann::json side = object["vision_config"].value("image_size", nlohmann::json());
    if (side.is_number_integer()) return static_cast<int32_t>(std::clamp<int64_t>(side.get<int64_t>(), -1, kMaxWidth));
  }
  if (weights.position_rows > 1) {
    const auto places = static_cast<double>(std::min<int64_t>(weights.position_rows - 1, kMaxTokens));
    return static_cast<int32_t>(std::sqrt(places)) * vision.patch_size;
  }
  if (!weights.task_loras) return 0;
  return *weights.task_loras ? k2d5Side : k4khdSide;
}

void ReadVariant(JsonConfig& json, const WeightTraits& weights, Config& config) {
  if (json.Has("img_size")) return json.Integer("img_size", &config.img_size, 1, 16384);
  config.img_size = TileSide(json, config.vision, weights);
  config.variant = config.img_size == k2d5Side ? Variant::k2d5 : Variant::k4khd;
  config.task_loras = config.variant == Variant::k2d5 && weights.task_loras.value_or(true);
  json.Require(config.img_size != 0, "img_size",
               "it is missing. Checkpoints that cut pictures into tiles have none; which one this is neither vision_config.image_size nor a "
               "weight file here tells: add vision_config.image_size, 336 for 4KHD or 560 for 2.5");
  json.Require(config.img_size == k4khdSide || config.img_size == k2d5Side, "vision_config.image_size",
               fmt::format("without img_size pictures are cut into tiles, and tiles of {} pixels are not served: known are 336 (4KHD) and 560 (2.5)",
                           config.img_size));
}

int64_t SmallestPicture(const Config& config) {
  return config.tiles() ? TiledRows({.rows = 1, .columns = 1}, config.merged_per_side()) : config.image_rows();
}

void CheckTogether(JsonConfig& json, const Config& config) {
  json.Require(config.hidden_size % config.num_heads == 0, "num_attention_heads", "it does not divide hidden_size");
  json.Require(config.num_heads % config.num_kv_heads == 0, "num_key_value_heads", "it does not divide num_attention_heads");
  json.Require(config.head_dim() % 2 == 0, "num_attention_heads", "hidden_size / num_attention_heads is odd");
  json.Require(config.img_size % config.vision.patch_size == 0, "img_size", "it is not a multiple of the patch size");
  json.Require(!config.tiles() || config.patches_per_side() % 2 == 0, "vision_config.patch_size", "tiles have an odd number of patches to a side");
  json.Require(SmallestPicture(config) < config.context_tokens, "img_size", "one picture takes more rows than the context has");
}

}  // namespace

int32_t Config::DefaultMaxTiles(int32_t num_images) const {
  switch (variant) {
    case Variant::kPlain: return 1;
    case Variant::k4khd: return 25;
    case Variant::k2d5: return num_images > 1 ? 6 : 24;
  }
  return 1;
}

StatusOr<Config> ParseConfig(std::string_view text, std::string_view file_name, const WeightTraits& weights) {
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json object, ParseJsonObject(text, file_name));
  JsonConfig json(object, std::string(file_name));
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
  json.Integer("bos_token_id", &config.bos_token_id, 0, config.vocab_size - 1);
  json.Integer("eos_token_id", &config.eos_token_id, 0, config.vocab_size - 1);
  ReadRopeScaling(json, config);
  ReadVision(json, config);
  ReadVariant(json, weights, config);
  if (json.status().ok()) CheckTogether(json, config);
  if (!json.status().ok()) return json.status();
  return config;
}

StatusOr<Config> LoadConfig(const std::string& model_dir) {
  const std::string path = model_dir + "/config.json";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json object, ParseJsonObject(text, path));
  WeightTraits weights;
  if (!JsonConfig(object, path).Has("img_size")) {
    TRIPTYCH_ASSIGN_OR_RETURN(const CheckpointOutline outline, CheckpointOutline::Read(model_dir));
    TRIPTYCH_ASSIGN_OR_RETURN(weights.position_rows, outline.Rows(kPositionTable));
    if (!outline.empty()) weights.task_loras = outline.Has(kTaskLora);
  }
  return ParseConfig(text, path, weights);
}

}  // namespace triptych::internlm_xcomposer2
