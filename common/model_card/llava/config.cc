#include "common/model_card/llava/config.h"

#include <array>
#include <cmath>

#include "common/json/json_config.h"
#include "common/text_file.h"

namespace triptych::llava {
namespace {

constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxSide = 4096;
constexpr std::array kClipMean = {0.48145466, 0.4578275, 0.40821073};
constexpr std::array kClipDeviation = {0.26862954, 0.26130258, 0.27577711};

// The only value that is served of a key.
void RequireText(JsonConfig& json, std::string_view key, std::string_view only) {
  std::string value(only);
  json.Text(key, &value);
  json.Require(value == only, key, fmt::format("'{}' is not supported; allowed is {}", value, only));
}

void RequireTrue(JsonConfig& json, std::string_view key) {
  bool value = true;
  json.Flag(key, &value);
  json.Require(value, key, "false is not supported");
}

void ReadText(JsonConfig& json, DecoderConfig* config) {
  const nlohmann::json* object = json.Object("text_config");
  json.Require(object != nullptr, "text_config", "it is missing");
  if (object == nullptr) return;
  JsonConfig inner(*object, json.file(), "text_config.");
  RequireText(inner, "model_type", "llama");
  ReadDecoderConfig(inner, config);
  json.Take(inner.status());
  json.Flag("tie_word_embeddings", &config->tied_embeddings);
}

void ReadVision(JsonConfig& json, VisionConfig* vision) {
  const nlohmann::json* object = json.Object("vision_config");
  json.Require(object != nullptr, "vision_config", "it is missing");
  if (object == nullptr) return;
  JsonConfig inner(*object, json.file(), "vision_config.");
  RequireText(inner, "model_type", "clip_vision_model");
  RequireText(inner, "hidden_act", "quick_gelu");
  inner.Integer("hidden_size", &vision->hidden_size, 1, kMaxWidth);
  inner.Integer("intermediate_size", &vision->intermediate_size, 1, kMaxWidth);
  inner.Integer("num_hidden_layers", &vision->num_layers, 1, 1000);
  inner.Integer("num_attention_heads", &vision->num_heads, 1, kMaxWidth);
  inner.Integer("image_size", &vision->image_size, 1, kMaxSide);
  inner.Integer("patch_size", &vision->patch_size, 1, kMaxSide);
  inner.Number("layer_norm_eps", &vision->layer_norm_eps, 0, 1);
  inner.Require(vision->hidden_size % vision->num_heads == 0, "num_attention_heads", "it does not divide hidden_size");
  inner.Require(vision->image_size % vision->patch_size == 0, "image_size", "it is not a multiple of patch_size");
  json.Take(inner.status());
}

void ReadFeatures(JsonConfig& json, Config& config) {
  const int32_t layers = config.vision.num_layers;
  int32_t layer = -2;
  json.Integer("vision_feature_layer", &layer, -layers, layers);
  config.tower_layers = layer < 0 ? layers + 1 + layer : layer;
  json.Require(config.tower_layers > 0, "vision_feature_layer", "it names the embeddings, not a layer");
  RequireText(json, "vision_feature_select_strategy", "default");
  RequireText(json, "projector_hidden_act", "gelu");
  RequireTrue(json, "multimodal_projector_bias");
  json.Integer("image_token_index", &config.image_token_index, 0, config.text.vocab_size - 1);
  json.Integer("image_token_id", &config.image_token_index, 0, config.text.vocab_size - 1);
  int32_t rows = config.image_rows();
  json.Integer("image_seq_length", &rows, 1, 1 << 24);
  json.Require(rows == config.image_rows(), "image_seq_length", fmt::format("{} are not the tower's {} patches", rows, config.image_rows()));
  json.Require(config.image_rows() < config.text.context_tokens, "vision_config", "one picture takes more rows than the context has");
}

// A side as "size" and "crop_size" have it: a number, or an object whose `keys` are all the same number.
int32_t ReadSide(JsonConfig& json, std::string_view key, std::initializer_list<std::string_view> keys, int32_t side) {
  if (!json.Has(key)) return side;
  if (!json.object()[std::string(key)].is_object()) {
    json.Integer(key, &side, 1, kMaxSide);
    return side;
  }
  const nlohmann::json& object = json.object()[std::string(key)];
  JsonConfig inner(object, json.file(), std::string(key) + ".");
  inner.Only(keys);
  for (const std::string_view part : keys) {
    int32_t value = 0;
    inner.Integer(part, &value, 1, kMaxSide);
    inner.Require(value > 0, part, "it is missing");
    inner.Require(part == *keys.begin() || value == side, part, "it is another number; only squares are supported");
    side = value;
  }
  json.Take(inner.status());
  return side;
}

void RequireColors(JsonConfig& json, std::string_view key, const std::array<double, 3>& wanted) {
  if (!json.Has(key)) return;
  const nlohmann::json& value = json.object()[std::string(key)];
  bool equal = value.is_array() && value.size() == wanted.size();
  for (size_t i = 0; equal && i < wanted.size(); ++i) equal = value[i].is_number() && std::abs(value[i].get<double>() - wanted[i]) < 1e-7;
  json.Require(equal, key, fmt::format("{} is not supported; allowed are CLIP's [{}, {}, {}]", value.dump(), wanted[0], wanted[1], wanted[2]));
}

}  // namespace

StatusOr<Config> ParseConfig(std::string_view text, std::string_view file_name) {
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json object, ParseJsonObject(text, file_name));
  JsonConfig json(object, std::string(file_name));
  Config config;
  ReadText(json, &config.text);
  ReadVision(json, &config.vision);
  TRIPTYCH_RETURN_IF_ERROR(json.status());
  ReadFeatures(json, config);
  TRIPTYCH_RETURN_IF_ERROR(json.status());
  return config;
}

StatusOr<Config> LoadConfig(const std::string& model_dir) {
  const std::string path = model_dir + "/config.json";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  return ParseConfig(text, path);
}

StatusOr<Preprocessing> ParsePreprocessing(std::string_view text, std::string_view file_name, int32_t image_size) {
  constexpr int32_t kBicubic = 3;
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json object, ParseJsonObject(text, file_name));
  JsonConfig json(object, std::string(file_name));
  for (const char* step : {"do_resize", "do_center_crop", "do_rescale", "do_normalize"}) RequireTrue(json, step);
  Preprocessing steps;
  steps.shortest_edge = ReadSide(json, "size", {"shortest_edge"}, image_size);
  steps.crop_size = ReadSide(json, "crop_size", {"height", "width"}, image_size);
  json.Require(steps.crop_size == image_size, "crop_size", fmt::format("{} is not the tower's image_size, {}", steps.crop_size, image_size));
  json.Require(steps.shortest_edge >= steps.crop_size, "size", fmt::format("{} is less than crop_size, {}", steps.shortest_edge, steps.crop_size));
  int32_t filter = kBicubic;
  json.Integer("resample", &filter, 0, 5);
  json.Require(filter == kBicubic, "resample", fmt::format("{} is not supported; allowed is 3 (bicubic)", filter));
  double factor = 1.0 / 255;
  json.Number("rescale_factor", &factor, 0, 1);
  json.Require(std::abs(factor * 255 - 1) < 1e-12, "rescale_factor", fmt::format("{} is not supported; allowed is 1 / 255", factor));
  RequireColors(json, "image_mean", kClipMean);
  RequireColors(json, "image_std", kClipDeviation);
  TRIPTYCH_RETURN_IF_ERROR(json.status());
  return steps;
}

StatusOr<Preprocessing> LoadPreprocessing(const std::string& model_dir, int32_t image_size) {
  const std::string path = model_dir + "/preprocessor_config.json";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  return ParsePreprocessing(text, path, image_size);
}

}  // namespace triptych::llava
