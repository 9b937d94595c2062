#include "worker/model/internlm_xcomposer2/decoder.h"

#include <utility>

#include "worker/kernels/norm.h"
#include "worker/model/layers/tp_linear.h"
#include "worker/weights/weight_loader.h"

namespace triptych::model::internlm_xcomposer2 {
namespace {

using triptych::internlm_xcomposer2::RopeScaling;

layers::RotaryConfig Rotary(const Config& config) {
  layers::RotaryConfig rotary{.head_dim = config.head_dim(),
                              .theta = config.rope_theta,
                              .factor = config.rope_factor,
                              .trained_tokens = config.max_position_embeddings};
  switch (config.rope_scaling) {
    case RopeScaling::kNone:
      rotary.scaling = layers::RotaryScaling::kNone;
      break;
    case RopeScaling::kLinear:
      rotary.scaling = layers::RotaryScaling::kLinear;
      break;
    case RopeScaling::kDynamic:
      rotary.scaling = layers::RotaryScaling::kDynamic;
      break;
  }
  return rotary;
}

}  // namespace

StatusOr<Decoder::Layer> Decoder::LoadLayer(const weights::WeightLoader& loader,
                                            int64_t index,
                                            const Config& config,
                                            int64_t num_blocks,
                                            const layers::RankContext& context) {
  const LayerNames names(index);
  TRIPTYCH_ASSIGN_OR_RETURN(
      at::Tensor attention_norm,
      layers::LoadVector(loader, names.attention_norm, config.hidden_size, context));
  TRIPTYCH_ASSIGN_OR_RETURN(
      at::Tensor ffn_norm, layers::LoadVector(loader, names.ffn_norm, config.hidden_size, context));
  TRIPTYCH_ASSIGN_OR_RETURN(Attention attention,
                            Attention::Load(loader, names, config, num_blocks, context));
  TRIPTYCH_ASSIGN_OR_RETURN(FeedForward feed_forward,
                            FeedForward::Load(loader, names, config, context));
  return Layer{std::move(attention_norm),
               std::move(ffn_norm),
               std::move(attention),
               std::move(feed_forward)};
}

StatusOr<std::unique_ptr<ModelRunner>> Decoder::Load(const weights::WeightLoader& loader,
                                                     const Config& config,
                                                     int64_t num_blocks,
                                                     const layers::RankContext& context) {
  TRIPTYCH_RETURN_IF_ERROR(weights::CheckNoExtra(
      loader, DecoderTensors(config), EncoderPrefixes()));
  TRIPTYCH_ASSIGN_OR_RETURN(
      layers::VocabEmbedding embedding,
      layers::VocabEmbedding::Load(
          loader, {kTokenEmbeddings, config.vocab_size, config.hidden_size}, context));
  std::vector<Layer> loaded;
  for (int64_t i = 0; i < config.num_layers; ++i) {
    TRIPTYCH_ASSIGN_OR_RETURN(Layer layer, LoadLayer(loader, i, config, num_blocks, context));
    loaded.push_back(std::move(layer));
  }
  TRIPTYCH_ASSIGN_OR_RETURN(at::Tensor norm,
                            layers::LoadVector(loader, kFinalNorm, config.hidden_size, context));
  TRIPTYCH_ASSIGN_OR_RETURN(
      layers::VocabOutput output,
      layers::VocabOutput::Load(loader, {kOutput, config.vocab_size, config.hidden_size}, context));
  return std::unique_ptr<ModelRunner>(new Decoder(config,
                                                  context,
                                                  std::move(embedding),
                                                  std::move(loaded),
                                                  std::move(norm),
                                                  std::move(output)));
}

Decoder::Decoder(const Config& config,
                 const layers::RankContext& context,
                 layers::VocabEmbedding embedding,
                 std::vector<Layer> layers,
                 at::Tensor norm,
                 layers::VocabOutput output)
    : norm_eps_(config.rms_norm_eps),
      rotary_(Rotary(config)),
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
    x.add_(
        layer.feed_forward.Forward(kernels::RmsNorm(x, layer.ffn_norm, norm_eps_), step.low_rank));
  }
  const at::Tensor last = kernels::RmsNorm(x.index_select(0, step.wanted), norm_, norm_eps_);
  return output_.Forward(last);
}

}  // namespace triptych::model::internlm_xcomposer2
