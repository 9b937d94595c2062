#include "worker/kernels/embedding.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "common/check.h"

namespace triptych::kernels {

at::Tensor EmbeddingLookup(const at::Tensor& table, const at::Tensor& ids, int64_t first_id) {
  const int64_t rows = table.size(0);
  if (!table.is_cpu()) {
    const at::Tensor local = ids.to(at::kLong) - first_id;
    const at::Tensor inside = local.ge(0).logical_and(local.lt(rows)).unsqueeze(1);
    const at::Tensor found = table.index_select(0, local.clamp(0, rows - 1));
    return at::where(inside, found, at::zeros({}, found.options()));
  }
  at::Tensor out = at::zeros({ids.size(0), table.size(1)}, at::kFloat);
  const int32_t* const wanted = ids.const_data_ptr<int32_t>();
  for (int64_t i = 0; i < ids.size(0); ++i) {
    const int64_t row = wanted[i] - first_id;
    if (row >= 0 && row < rows) out.select(0, i).copy_(table.select(0, row));  // widens bfloat16
  }
  return out;
}

}  // namespace triptych::kernels
