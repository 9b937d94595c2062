#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "common/model_card/internlm_xcomposer2/config.h"
#include "common/status.h"
#include "worker/kernels/paged_attention.h"
#include "worker/model/internlm_xcomposer2/weight_names.h"
#include "worker/model/layers/head_split.h"
#include "worker/model/layers/plora_linear.h"
#include "worker/model/step_tensors.h"

namespace triptych::model::internlm_xcomposer2 {

using triptych::internlm_xcomposer2::Config;

// One rank's part of a layer's attention, with its heads' keys and values.
class Attention {
 public:
  static StatusOr<Attention> Load(const weights::WeightLoader& loader,
                                  const LayerNames& names,
                                  const Config& config,
                                  int64_t num_blocks,
                                  const layers::RankContext& context);

  // x [n, hidden] -> [n, hidden], summed over ranks. Writes the rows' keys and values.
  at::Tensor Forward(const at::Tensor& x, const StepTensors& step);

  void Copy(engine::BlockCopy copy) { kernels::CopyBlock(cache_, copy.from, copy.to); }

 private:
  Attention(layers::PloraLinear wqkv,
            layers::PloraLinear wo,
            layers::HeadSplit heads,
            int64_t head_dim,
            kernels::PagedKv cache);

  layers::PloraLinear wqkv_;
  layers::PloraLinear wo_;
  layers::HeadSplit heads_;
  int64_t head_dim_;
  kernels::PagedKv cache_;
};

}  // namespace triptych::model::internlm_xcomposer2
