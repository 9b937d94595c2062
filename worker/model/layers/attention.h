#pragma once

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include "worker/engine/step_plan.h"
#include "worker/kernels/paged_attention.h"
#include "worker/model/layers/head_split.h"
#include "worker/model/layers/projection.h"
#include "worker/model/step_tensors.h"

namespace triptych::model::layers {

// One rank's part of a layer's grouped-query attention with rotary positions, and its heads' keys
// and values.
class Attention {
 public:
  // qkv [n, hidden] -> [n, kv heads, group queries + key + value, d] of this rank's `heads`; out
  // takes their mixed values, [n, query heads * d], back to [n, hidden], summed over ranks.
  Attention(std::unique_ptr<Projection> qkv,
            std::unique_ptr<Projection> out,
            HeadSplit heads,
            int64_t head_dim,
            kernels::PagedKv cache);

  // x [n, hidden] -> [n, hidden], summed over ranks. Writes the rows' keys and values.
  at::Tensor Forward(const at::Tensor& x, const StepTensors& step);

  void Copy(engine::BlockCopy copy) { kernels::CopyBlock(cache_, copy.from, copy.to); }

 private:
  std::unique_ptr<Projection> qkv_;
  std::unique_ptr<Projection> out_;
  HeadSplit heads_;
  int64_t head_dim_;
  kernels::PagedKv cache_;
};

}  // namespace triptych::model::layers
