#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "common/ids.h"
#include "tests/fakes/tiny_checkpoint.h"

namespace triptych::fakes {

// InternLM2 with Partial LoRA and dynamic NTK (factor 2, base 10000) as the specification says it,
// in double, one sequence at once and without a cache: logits [tokens, vocab] of `tokens`, the
// first `prompt_tokens` of which are the prompt. `image_rows` [images, hidden] stand at kImageRow.
at::Tensor ReferenceLogits(const TinyCheckpointOptions& options,
                           const CheckpointTensors& tensors,
                           const std::vector<TokenId>& tokens,
                           const at::Tensor& image_rows,
                           int64_t prompt_tokens);

}  // namespace triptych::fakes
