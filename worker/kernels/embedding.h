#pragma once

#include <ATen/core/Tensor.h>

namespace triptych::kernels {

// Rows of `table` [rows, hidden] (float32 or bfloat16) for ids [n] int32, as float32 (CUDA: table's dtype); zero rows for ids outside
// [first_id, first_id + rows): the other ranks' part of a vocabulary-parallel table, and image rows.
at::Tensor EmbeddingLookup(const at::Tensor& table, const at::Tensor& ids, int64_t first_id);

}  // namespace triptych::kernels
