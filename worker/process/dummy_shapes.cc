#include "worker/process/dummy_shapes.h"

#include <array>
#include <cstdint>

#include "fmt/format.h"

namespace triptych::worker {
namespace {

constexpr int64_t kPloraRank = 256;
constexpr int64_t kPloraRankOf4khdWqkv = 8;

struct Linear {
  std::string_view name;
  int64_t in;
};

}  // namespace

weights::ShapeMap XComposer2Shapes(std::string_view family, const internlm_xcomposer2::Config& config) {
  const std::array<Linear, 5> linears = {{{"attention.wqkv", config.hidden_size},
                                          {"attention.wo", int64_t{config.num_heads} * config.head_dim()},
                                          {"feed_forward.w1", config.hidden_size},
                                          {"feed_forward.w3", config.hidden_size},
                                          {"feed_forward.w2", config.intermediate_size}}};
  const int64_t wqkv_rank = family == "internlm-xcomposer2-4khd" ? kPloraRankOf4khdWqkv : kPloraRank;
  weights::ShapeMap shapes;
  for (int32_t layer = 0; layer < config.num_layers; ++layer) {
    for (const Linear& linear : linears) {
      const int64_t rank = linear.name == "attention.wqkv" ? wqkv_rank : kPloraRank;
      shapes[fmt::format("model.layers.{}.{}.Plora_A.weight", layer, linear.name)] = {rank, linear.in};
    }
  }
  const int64_t places = int64_t{config.patches_per_side()} * config.patches_per_side();
  shapes["vit.vision_tower.vision_model.embeddings.position_embedding.weight"] = {1 + places, config.vision.hidden_size};
  return shapes;
}

StatusOr<weights::ShapeMap> DummyShapes(std::string_view family, const std::string& model_dir) {
  if (!family.starts_with("internlm-xcomposer2")) return weights::ShapeMap();
  TRIPTYCH_ASSIGN_OR_RETURN(const internlm_xcomposer2::Config config, internlm_xcomposer2::LoadConfig(model_dir));
  return XComposer2Shapes(family, config);
}

}  // namespace triptych::worker
