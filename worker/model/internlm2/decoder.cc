#include "worker/model/internlm2/decoder.h"

#include "common/model_card/internlm2/config.h"
#include "worker/model/internlm2/weight_names.h"
#include "worker/model/layers/plain_decoder.h"
#include "worker/model/layers/plain_linear.h"

namespace triptych::model::internlm2 {
namespace {

using layers::AsProjection;
using layers::LayerShare;
using layers::LayerWeights;
using layers::LinearRows;
using layers::LinearSpec;
using layers::LoadVector;
using layers::PlainLinear;
using triptych::internlm2::LoadConfig;

StatusOr<LayerWeights> LoadLayer(const weights::WeightLoader& loader,
                                 const LayerNames& names,
                                 const DecoderConfig& config,
                                 const LayerShare& share,
                                 const layers::RankContext& context) {
  const layers::DecoderSizes sizes = layers::SizesOf(config);
  const int64_t hidden = sizes.hidden;
  const bool bias = config.attention_bias;
  const LinearSpec wqkv{names.wqkv, hidden, sizes.query_features() + 2 * sizes.kv_features(), bias};
  const LinearSpec wo{names.wo, sizes.query_features(), hidden, bias};
  const LinearSpec w1{names.w1, hidden, sizes.intermediate};
  const LinearSpec w3{names.w3, hidden, sizes.intermediate};
  const LinearSpec w2{names.w2, sizes.intermediate, hidden};
  const auto column = [&](const LinearSpec& spec, const std::vector<layers::Range>& rows) {
    std::vector<LinearRows> parts;
    for (const layers::Range& range : rows) parts.push_back({spec, range});
    return AsProjection(PlainLinear::LoadColumn(loader, parts, context));
  };
  const auto row = [&](const LinearSpec& spec, layers::Range columns) {
    return AsProjection(PlainLinear::LoadRow(loader, spec, columns, context));
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
  TRIPTYCH_ASSIGN_OR_RETURN(const DecoderConfig config, LoadConfig(model_dir));
  return layers::DescribeDecoder(
      "internlm2", layers::SizesOf(config), config.context_tokens, tensor_parallel, dtype);
}

StatusOr<std::unique_ptr<ModelRunner>> MakeRunner(const std::string& model_dir,
                                                  const weights::WeightLoader& loader,
                                                  int64_t num_blocks,
                                                  const layers::RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const DecoderConfig config, LoadConfig(model_dir));
  TRIPTYCH_RETURN_IF_ERROR(weights::CheckNoExtra(loader, DecoderTensors(config)));
  const layers::DecoderSource source{
      .embedding = kTokenEmbeddings,
      .final_norm = kFinalNorm,
      .output = config.tied_embeddings ? kTokenEmbeddings : kOutput,
      .load_layer = [&](int64_t index, const LayerShare& share) {
        return LoadLayer(loader, LayerNames(index), config, share, context);
      }};
  return layers::Decoder::Load(loader, layers::SizesOf(config), source, num_blocks, context);
}

}  // namespace triptych::model::internlm2
