#include "worker/process/dummy_shapes.h"

#include <array>
#include <cstdint>
#include <vector>

#include "common/model_card/internlm_xcomposer2/adapters.h"
#include "fmt/format.h"

namespace triptych::worker {
namespace {

constexpr int64_t kLowRank = 256;
constexpr int64_t kPloraRankOf4khdWqkv = 8;
constexpr int64_t kWebRank = 512;

struct Linear {
  std::string_view name;
  int64_t in;
};

int64_t RankOf(internlm_xcomposer2::Variant variant, std::string_view linear, std::string_view pair) {
  const bool is_4khd = variant == internlm_xcomposer2::Variant::k4khd;
  if (pair == "Plora" && linear == "attention.wqkv" && is_4khd) return kPloraRankOf4khdWqkv;
  return pair == "lora_web" ? kWebRank : kLowRank;
}

}  // namespace

weights::ShapeMap XComposer2Shapes(const internlm_xcomposer2::Config& config) {
  const std::array<Linear, 5> linears = {{{"attention.wqkv", config.hidden_size},
                                          {"attention.wo", int64_t{config.num_heads} * config.head_dim()},
                                          {"feed_forward.w1", config.hidden_size},
                                          {"feed_forward.w3", config.hidden_size},
                                          {"feed_forward.w2", config.intermediate_size}}};
  std::vector<std::string> pairs = {"Plora"};
  for (const std::vector<std::string>& adapter : internlm_xcomposer2::kAdapterPairs) {
    if (config.task_loras) pairs.insert(pairs.end(), adapter.begin(), adapter.end());
  }
  weights::ShapeMap shapes;
  for (int32_t layer = 0; layer < config.num_layers; ++layer) {
    for (const Linear& linear : linears) {
      for (const std::string& pair : pairs) {
        shapes[fmt::format("model.layers.{}.{}.{}_A.weight", layer, linear.name, pair)] = {RankOf(config.variant, linear.name, pair), linear.in};
      }
    }
  }
  const int64_t places = int64_t{config.patches_per_side()} * config.patches_per_side();
  shapes["vit.vision_tower.vision_model.embeddings.position_embedding.weight"] = {1 + places, config.vision.hidden_size};
  return shapes;
}

weights::ShapeMap LlavaShapes(const llava::Config& config) {
  return {{"vision_tower.vision_model.embeddings.position_embedding.weight", {1 + config.image_rows(), config.vision.hidden_size}}};
}

StatusOr<weights::ShapeMap> DummyShapes(std::string_view family, const std::string& model_dir) {
  if (family == "llava") {
    TRIPTYCH_ASSIGN_OR_RETURN(const llava::Config config, llava::LoadConfig(model_dir));
    return LlavaShapes(config);
  }
  if (family != "internlm_xcomposer2") return weights::ShapeMap();
  TRIPTYCH_ASSIGN_OR_RETURN(const internlm_xcomposer2::Config config, internlm_xcomposer2::LoadConfig(model_dir));
  return XComposer2Shapes(config);
}

}  // namespace triptych::worker
