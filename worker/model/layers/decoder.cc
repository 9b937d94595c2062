#include "worker/model/layers/decoder.h"

#include <utility>

#include "worker/kernels/norm.h"
#include "worker/model/layers/tp_linear.h"

namespace triptych::model::layers {
namespace {

int64_t KvBlockBytes(const DecoderSizes& sizes, int64_t kv_heads, at::ScalarType dtype) {
  const auto element = static_cast<int64_t>(c10::elementSize(dtype));
  return 2 * sizes.num_layers * kv_heads * sizes.rotary.head_dim * kBlockTokens * element;
}

}  // namespace

StatusOr<LayerShare> ShareLayer(const DecoderSizes& sizes, int rank, int size) {
  TRIPTYCH_ASSIGN_OR_RETURN(
      HeadSplit heads,
      SplitHeads(sizes.num_heads, sizes.num_kv_heads, sizes.rotary.head_dim, rank, size));
  TRIPTYCH_RETURN_IF_ERROR(CheckRanks(size, sizes.intermediate, "intermediate features"));
  return LayerShare{std::move(heads), PartOf(sizes.intermediate, rank, size)};
}

StatusOr<ModelFacts> DescribeDecoder(std::string family,
                                     const DecoderSizes& sizes,
                                     int64_t context_tokens,
                                     int tensor_parallel,
                                     at::ScalarType dtype) {
  TRIPTYCH_ASSIGN_OR_RETURN(const LayerShare share,
                            ShareLayer(sizes, /*rank=*/0, tensor_parallel));
  const bool stretches = sizes.rotary.scaling == RotaryScaling::kDynamic;
  return ModelFacts{.family = std::move(family),
                    .vocab_size = sizes.vocab,
                    .hidden_size = sizes.hidden,
                    .context_tokens = context_tokens,
                    .rotary_trained_tokens = stretches ? sizes.rotary.trained_tokens : 0,
                    .kv_block_bytes = KvBlockBytes(sizes, share.heads.kv_heads, dtype)};
}

StatusOr<std::unique_ptr<ModelRunner>> Decoder::Load(const weights::WeightLoader& loader,
                                                     const DecoderSizes& sizes,
                                                     const DecoderSource& source,
                                                     int64_t num_blocks,
                                                     const RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const LayerShare share,
                            ShareLayer(sizes, context.rank(), context.size()));
  TRIPTYCH_ASSIGN_OR_RETURN(
      VocabEmbedding embedding,
      VocabEmbedding::Load(loader, {source.embedding, sizes.vocab, sizes.hidden}, context));
  std::vector<Layer> layers;
  for (int64_t i = 0; i < sizes.num_layers; ++i) {
    TRIPTYCH_ASSIGN_OR_RETURN(LayerWeights weights, source.load_layer(i, share));
    kernels::PagedKv cache = kernels::PagedKv::Allocate(
        num_blocks, share.heads.kv_heads, sizes.rotary.head_dim, context.dtype, context.device);
    layers.push_back(
        {std::move(weights.attention_norm),
         std::move(weights.ffn_norm),
         Attention(std::move(weights.qkv),
                   std::move(weights.out),
                   share.heads,
                   sizes.rotary.head_dim,
                   std::move(cache)),
         FeedForward(
             std::move(weights.gate), std::move(weights.up), std::move(weights.down))});
  }
  TRIPTYCH_ASSIGN_OR_RETURN(at::Tensor norm,
                            LoadVector(loader, source.final_norm, sizes.hidden, context));
  TRIPTYCH_ASSIGN_OR_RETURN(
      VocabOutput output,
      VocabOutput::Load(loader, {source.output, sizes.vocab, sizes.hidden}, context));
  return std::unique_ptr<ModelRunner>(new Decoder(sizes,
                                                  context,
                                                  std::move(embedding),
                                                  std::move(layers),
                                                  std::move(norm),
                                                  std::move(output)));
}

Decoder::Decoder(const DecoderSizes& sizes,
                 const RankContext& context,
                 VocabEmbedding embedding,
                 std::vector<Layer> layers,
                 at::Tensor norm,
                 VocabOutput output)
    : norm_eps_(sizes.norm_eps),
      rotary_(sizes.rotary),
      context_(context),
      embedding_(std::move(embedding)),
      layers_(std::move(layers)),
      norm_(std::move(norm)),
      output_(std::move(output)) {}

at::Tensor Decoder::Forward(const StepInput& input) {
  for (const engine::BlockCopy& copy : input.plan->copies) {
    for (Layer& layer : layers_) layer.attention.Copy(copy);
  }
  const StepTensors step = MakeStepTensors(*input.plan, rotary_, context_.device);
  at::Tensor x = embedding_.Forward(step.ids, input.image_rows, step.low_rank.images);
  for (Layer& layer : layers_) {
    x.add_(layer.attention.Forward(kernels::RmsNorm(x, layer.attention_norm, norm_eps_), step));
    x.add_(layer.feed_forward.Forward(kernels::RmsNorm(x, layer.ffn_norm, norm_eps_),
                                      step.low_rank));
  }
  const at::Tensor last = kernels::RmsNorm(x.index_select(0, step.wanted), norm_, norm_eps_);
  return output_.Forward(last);
}

}  // namespace triptych::model::layers
