#include "worker/model/llama/decoder.h"

#include "common/model_card/llama/config.h"
#include "worker/model/layers/plain_decoder.h"
#include "worker/model/layers/plain_linear.h"
#include "worker/model/llama/weight_names.h"

namespace triptych::model::llama {
namespace {

using layers::AsProjection;
using layers::DecoderSizes;
using layers::LayerShare;
using layers::LayerWeights;
using layers::LinearRows;
using layers::LinearSpec;
using layers::LoadVector;
using layers::PlainLinear;
using triptych::llama::LoadConfig;

// The rows of the three layers in the order of layers::Attention: each kv head's queries, then its
// key and its value.
std::vector<LinearRows> PackQkv(const LayerNames& names,
                                const DecoderSizes& sizes,
                                const layers::HeadSplit& heads,
                                bool has_bias) {
  const int64_t d = sizes.rotary.head_dim;
  const LinearSpec q{names.q, sizes.hidden, sizes.query_features(), has_bias};
  const LinearSpec k{names.k, sizes.hidden, sizes.kv_features(), has_bias};
  const LinearSpec v{names.v, sizes.hidden, sizes.kv_features(), has_bias};
  std::vector<LinearRows> parts;
  for (int64_t i = 0; i < heads.kv_heads; ++i) {
    const int64_t query = heads.query_features.begin + i * heads.group * d;
    const int64_t key = heads.kv_features.begin + i * d;
    parts.push_back({q, {query, query + heads.group * d}});
    parts.push_back({k, {key, key + d}});
    parts.push_back({v, {key, key + d}});
  }
  return parts;
}

StatusOr<LayerWeights> LoadLayer(const weights::WeightLoader& loader,
                                 const LayerNames& names,
                                 const DecoderConfig& config,
                                 const LayerShare& share,
                                 const layers::RankContext& context) {
  const DecoderSizes sizes = layers::SizesOf(config);
  const int64_t hidden = sizes.hidden;
  const auto column = [&](const std::vector<LinearRows>& parts) {
    return AsProjection(PlainLinear::LoadColumn(loader, parts, context));
  };
  const auto row = [&](const LinearSpec& spec, layers::Range columns) {
    return AsProjection(PlainLinear::LoadRow(loader, spec, columns, context));
  };
  const LinearSpec o{names.o, sizes.query_features(), hidden, config.attention_bias};
  const LinearSpec gate{names.gate, hidden, sizes.intermediate, config.mlp_bias};
  const LinearSpec up{names.up, hidden, sizes.intermediate, config.mlp_bias};
  const LinearSpec down{names.down, sizes.intermediate, hidden, config.mlp_bias};
  LayerWeights layer;
  TRIPTYCH_ASSIGN_OR_RETURN(layer.attention_norm,
                            LoadVector(loader, names.attention_norm, hidden, context));
  TRIPTYCH_ASSIGN_OR_RETURN(layer.ffn_norm, LoadVector(loader, names.ffn_norm, hidden, context));
  TRIPTYCH_ASSIGN_OR_RETURN(layer.qkv,
                            column(PackQkv(names, sizes, share.heads, config.attention_bias)));
  TRIPTYCH_ASSIGN_OR_RETURN(layer.out, row(o, share.heads.query_features));
  TRIPTYCH_ASSIGN_OR_RETURN(layer.gate, column({{gate, share.inner}}));
  TRIPTYCH_ASSIGN_OR_RETURN(layer.up, column({{up, share.inner}}));
  TRIPTYCH_ASSIGN_OR_RETURN(layer.down, row(down, share.inner));
  return layer;
}

}  // namespace

StatusOr<ModelFacts> Describe(const std::string& model_dir,
                              int tensor_parallel,
                              at::ScalarType dtype) {
  TRIPTYCH_ASSIGN_OR_RETURN(const DecoderConfig config, LoadConfig(model_dir));
  return layers::DescribeDecoder(
      "llama", layers::SizesOf(config), config.context_tokens, tensor_parallel, dtype);
}

StatusOr<std::unique_ptr<ModelRunner>> MakeRunner(const std::string& model_dir,
                                                  const weights::WeightLoader& loader,
                                                  int64_t num_blocks,
                                                  const layers::RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const DecoderConfig config, LoadConfig(model_dir));
  return LoadDecoder(loader, config, /*prefix=*/"", /*foreign=*/{}, num_blocks, context);
}

StatusOr<std::unique_ptr<ModelRunner>> LoadDecoder(const weights::WeightLoader& loader,
                                                   const DecoderConfig& config,
                                                   const std::string& prefix,
                                                   const std::vector<std::string>& foreign,
                                                   int64_t num_blocks,
                                                   const layers::RankContext& context) {
  TRIPTYCH_RETURN_IF_ERROR(
      weights::CheckNoExtra(loader, DecoderTensors(prefix, config), foreign));
  const TensorNames names(prefix);
  const layers::DecoderSource source{
      .embedding = names.embedding,
      .final_norm = names.final_norm,
      .output = config.tied_embeddings ? names.embedding : names.output,
      .load_layer = [&](int64_t index, const LayerShare& share) {
        return LoadLayer(loader, LayerNames(prefix, index), config, share, context);
      }};
  return layers::Decoder::Load(loader, layers::SizesOf(config), source, num_blocks, context);
}

}  // namespace triptych::model::llama
