#include "worker/model/internlm_xcomposer2/decoder.h"

#include <utility>

#include "common/model_card/internlm_xcomposer2/config.h"
#include "worker/model/internlm_xcomposer2/weight_names.h"
#include "worker/model/layers/decoder.h"
#include "worker/model/layers/plora_linear.h"

namespace triptych::model::internlm_xcomposer2 {
namespace {

using layers::AsProjection;
using layers::LayerShare;
using layers::LayerWeights;
using layers::LinearSpec;
using layers::LoadVector;
using layers::PloraLinear;
using triptych::internlm_xcomposer2::Config;
using triptych::internlm_xcomposer2::LoadConfig;
using triptych::internlm_xcomposer2::RopeScaling;

layers::RotaryScaling Scaling(RopeScaling scaling) {
  switch (scaling) {
    case RopeScaling::kNone:
      return layers::RotaryScaling::kNone;
    case RopeScaling::kLinear:
      return layers::RotaryScaling::kLinear;
    case RopeScaling::kDynamic:
      return layers::RotaryScaling::kDynamic;
  }
  return layers::RotaryScaling::kNone;
}

layers::DecoderSizes Sizes(const Config& config) {
  return {.vocab = config.vocab_size,
          .hidden = config.hidden_size,
          .intermediate = config.intermediate_size,
          .num_layers = config.num_layers,
          .num_heads = config.num_heads,
          .num_kv_heads = config.num_kv_heads,
          .norm_eps = config.rms_norm_eps,
          .rotary = {.head_dim = config.head_dim(),
                     .theta = config.rope_theta,
                     .scaling = Scaling(config.rope_scaling),
                     .factor = config.rope_factor,
                     .trained_tokens = config.max_position_embeddings}};
}

StatusOr<LayerWeights> LoadLayer(const weights::WeightLoader& loader,
                                 int64_t index,
                                 const Config& config,
                                 const LayerShare& share,
                                 const layers::RankContext& context) {
  const LayerNames names(index);
  const layers::DecoderSizes sizes = Sizes(config);
  const int64_t hidden = sizes.hidden;
  const LinearSpec wqkv{
      names.wqkv, hidden, sizes.query_features() + 2 * sizes.kv_features(), config.bias};
  const LinearSpec wo{names.wo, sizes.query_features(), hidden, config.bias};
  const LinearSpec w1{names.w1, hidden, sizes.intermediate};
  const LinearSpec w3{names.w3, hidden, sizes.intermediate};
  const LinearSpec w2{names.w2, sizes.intermediate, hidden};
  const layers::AdapterPairs adapters = AdapterPairsOf(config);
  const auto column = [&](const LinearSpec& spec, const std::vector<layers::Range>& rows) {
    return AsProjection(PloraLinear::LoadColumn(loader, {spec, adapters}, rows, context));
  };
  const auto row = [&](const LinearSpec& spec, layers::Range columns) {
    return AsProjection(PloraLinear::LoadRow(loader, {spec, adapters}, columns, context));
  };
  LayerWeights layer;
  TRIPTYCH_ASSIGN_OR_RETURN(layer.attention_norm,
                            LoadVector(loader, names.attention_norm, hidden, context));
  TRIPTYCH_ASSIGN_OR_RETURN(layer.ffn_norm, LoadVector(loader, names.ffn_norm, hidden, context));
  TRIPTYCH_ASSIGN_OR_RETURN(layer.qkv, column(wqkv, share.heads.qkv_rows));
  TRIPTYCH_ASSIGN_OR_RETURN(layer.out, row(wo, share.heads.query_features));
  TRIPTYCH_ASSIGN_OR_RETURN(layer.gate, column(w1, {share.inner}));
  TRIPTYCH_ASSIGN_OR_RETURN(layer.up, column(w3, {share.inner}));
  TRIPTYCH_ASSIGN_OR_RETURN(layer.down, row(w2, share.inner));
  return layer;
}

}  // namespace

StatusOr<ModelFacts> Describe(const std::string& model_dir,
                              int tensor_parallel,
                              at::ScalarType dtype) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Config config, LoadConfig(model_dir));
  return layers::DescribeDecoder(
      "internlm_xcomposer2", Sizes(config), config.context_tokens, tensor_parallel, dtype);
}

StatusOr<std::unique_ptr<ModelRunner>> MakeRunner(const std::string& model_dir,
                                                  const weights::WeightLoader& loader,
                                                  int64_t num_blocks,
                                                  const layers::RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Config config, LoadConfig(model_dir));
  TRIPTYCH_RETURN_IF_ERROR(weights::CheckNoExtra(
      loader, DecoderTensors(config), EncoderPrefixes()));
  const layers::DecoderSource source{
      .embedding = kTokenEmbeddings,
      .final_norm = kFinalNorm,
      .output = kOutput,
      .load_layer = [&](int64_t index, const LayerShare& share) {
        return LoadLayer(loader, index, config, share, context);
      }};
  return layers::Decoder::Load(loader, Sizes(config), source, num_blocks, context);
}

}  // namespace triptych::model::internlm_xcomposer2
