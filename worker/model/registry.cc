#include "worker/model/registry.h"

#include <array>
#include <string_view>

#include "common/json/json_config.h"
#include "common/model_card/internlm_xcomposer2/config.h"
#include "worker/model/internlm_xcomposer2/decoder.h"
#include "worker/model/layers/head_split.h"

namespace triptych::model {
namespace {

using triptych::internlm_xcomposer2::Config;
using triptych::internlm_xcomposer2::LoadConfig;
using triptych::internlm_xcomposer2::RopeScaling;

int64_t KvBlockBytes(int64_t num_layers, int64_t kv_heads, int64_t head_dim, at::ScalarType dtype) {
  const auto element = static_cast<int64_t>(c10::elementSize(dtype));
  return 2 * num_layers * kv_heads * head_dim * kBlockTokens * element;
}

StatusOr<ModelFacts> DescribeXComposer2(const std::string& model_dir,
                                        int tensor_parallel,
                                        at::ScalarType dtype) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Config config, LoadConfig(model_dir));
  TRIPTYCH_ASSIGN_OR_RETURN(
      const layers::HeadSplit heads,
      layers::SplitHeads(
          config.num_heads, config.num_kv_heads, config.head_dim(), /*rank=*/0, tensor_parallel));
  TRIPTYCH_RETURN_IF_ERROR(
      layers::CheckRanks(tensor_parallel, config.intermediate_size, "intermediate features"));
  const bool stretches = config.rope_scaling == RopeScaling::kDynamic;
  return ModelFacts{
      .family = "internlm_xcomposer2",
      .vocab_size = config.vocab_size,
      .hidden_size = config.hidden_size,
      .context_tokens = config.context_tokens,
      .rotary_trained_tokens = stretches ? config.max_position_embeddings : 0,
      .kv_block_bytes = KvBlockBytes(config.num_layers, heads.kv_heads, config.head_dim(), dtype)};
}

StatusOr<std::unique_ptr<ModelRunner>> MakeXComposer2(const std::string& model_dir,
                                                      const weights::WeightLoader& loader,
                                                      int64_t num_blocks,
                                                      const layers::RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Config config, LoadConfig(model_dir));
  return internlm_xcomposer2::Decoder::Load(loader, config, num_blocks, context);
}

struct Family {
  std::string_view model_type;  // in config.json
  StatusOr<ModelFacts> (*describe)(const std::string&, int, at::ScalarType);
  StatusOr<std::unique_ptr<ModelRunner>> (*make)(const std::string&,
                                                 const weights::WeightLoader&,
                                                 int64_t,
                                                 const layers::RankContext&);
};

constexpr std::array kFamilies = {
    Family{"internlmxcomposer2", DescribeXComposer2, MakeXComposer2},
};

StatusOr<const Family*> FindFamily(const std::string& model_dir) {
  const std::string path = model_dir + "/config.json";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json config, ParseJsonObject(text, path));
  if (!config.contains("model_type") || !config["model_type"].is_string()) {
    return FailedPrecondition("{}: has no string 'model_type'", path);
  }
  const std::string model_type = config["model_type"];
  for (const Family& family : kFamilies) {
    if (family.model_type == model_type) return &family;
  }
  return FailedPrecondition("{}: model_type '{}' is not served", path, model_type);
}

}  // namespace

StatusOr<ModelFacts> DescribeModel(const std::string& model_dir,
                                   int tensor_parallel,
                                   at::ScalarType dtype) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Family* family, FindFamily(model_dir));
  return family->describe(model_dir, tensor_parallel, dtype);
}

StatusOr<std::unique_ptr<ModelRunner>> MakeModelRunner(const std::string& model_dir,
                                                       const weights::WeightLoader& loader,
                                                       int64_t num_blocks,
                                                       const layers::RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Family* family, FindFamily(model_dir));
  return family->make(model_dir, loader, num_blocks, context);
}

}  // namespace triptych::model
