#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "common/ids.h"
#include "common/status.h"

namespace triptych::shard {

// Where rank 0 gets the rows that pictures put into a step. Called on the rank thread.
class EmbeddingSource {
 public:
  virtual ~EmbeddingSource() = default;
  // Rows [first, first + count), [count, hidden] float32 on the CPU. kNotFound fails the one
  // sequence that wanted them.
  virtual StatusOr<at::Tensor> Rows(const EmbeddingKey& key, int32_t first, int32_t count) = 0;
};

}  // namespace triptych::shard
