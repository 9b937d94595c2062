#include "worker/model/internlm_xcomposer/decoder.h"

#include "common/model_card/internlm_xcomposer/config.h"
#include "worker/model/internlm_xcomposer/lora_loader.h"
#include "worker/model/layers/plain_decoder.h"
#include "worker/model/llama/decoder.h"
#include "worker/model/llama/weight_names.h"

namespace triptych::model::internlm_xcomposer {
namespace {

using triptych::internlm_xcomposer::Config;
using triptych::internlm_xcomposer::LoadConfig;
using triptych::internlm_xcomposer::LoraConfig;

constexpr char kPrefix[] = "internlm_model.";

LoraSpec LoraOf(const Config& config, at::Device device) {
  LoraSpec spec{.rank = config.lora.rank, .scale = config.lora.scale, .device = device};
  for (int32_t i = 0; i < config.text.num_layers; ++i) {
    const llama::LayerNames names(kPrefix, i);
    if (config.lora.queries) spec.layers.insert(names.q);
    if (config.lora.keys) spec.layers.insert(names.k);
    if (config.lora.values) spec.layers.insert(names.v);
    if (config.lora.output) spec.layers.insert(names.o);
    if (config.lora.feed_forward) spec.layers.insert({names.up, names.down});
  }
  return spec;
}

}  // namespace

StatusOr<ModelFacts> Describe(const std::string& model_dir,
                              int tensor_parallel,
                              at::ScalarType dtype) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Config config, LoadConfig(model_dir));
  return layers::DescribeDecoder("internlm_xcomposer",
                                 layers::SizesOf(config.text),
                                 config.text.context_tokens,
                                 tensor_parallel,
                                 dtype);
}

StatusOr<std::unique_ptr<ModelRunner>> MakeRunner(const std::string& model_dir,
                                                  const weights::WeightLoader& loader,
                                                  int64_t num_blocks,
                                                  const layers::RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Config config, LoadConfig(model_dir));
  return llama::LoadDecoder(LoraLoader(&loader, LoraOf(config, context.device)),
                            config.text,
                            kPrefix,
                            /*foreign=*/{"visual_encoder.",
                                         "ln_vision.",
                                         "Qformer.",
                                         "query_tokens",
                                         "internlm_proj.",
                                         "flag_"},
                            num_blocks,
                            context);
}

}  // namespace triptych::model::internlm_xcomposer
