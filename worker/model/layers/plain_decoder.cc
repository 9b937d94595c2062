#include "worker/model/layers/plain_decoder.h"

namespace triptych::model::layers {
namespace {

RotaryScaling Scaling(RopeScaling::Kind kind) {
  switch (kind) {
    case RopeScaling::Kind::kNone:
      return RotaryScaling::kNone;
    case RopeScaling::Kind::kLinear:
      return RotaryScaling::kLinear;
    case RopeScaling::Kind::kDynamic:
      return RotaryScaling::kDynamic;
    case RopeScaling::Kind::kLlama3:
      return RotaryScaling::kLlama3;
  }
  return RotaryScaling::kNone;
}

}  // namespace

DecoderSizes SizesOf(const DecoderConfig& config) {
  const RopeScaling& rope = config.rope_scaling;
  const bool is_llama3 = rope.kind == RopeScaling::Kind::kLlama3;
  return {.vocab = config.vocab_size,
          .hidden = config.hidden_size,
          .intermediate = config.intermediate_size,
          .num_layers = config.num_layers,
          .num_heads = config.num_heads,
          .num_kv_heads = config.num_kv_heads,
          .norm_eps = config.rms_norm_eps,
          .rotary = {.head_dim = config.head_dim,
                     .theta = config.rope_theta,
                     .scaling = Scaling(rope.kind),
                     .factor = rope.factor,
                     .trained_tokens =
                         is_llama3 ? rope.trained_tokens : config.max_position_embeddings,
                     .low_freq_factor = rope.low_freq_factor,
                     .high_freq_factor = rope.high_freq_factor}};
}

}  // namespace triptych::model::layers
