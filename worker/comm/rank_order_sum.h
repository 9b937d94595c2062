#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

namespace triptych::comm {

// ((part 0 + part 1) + part 2) + ...: a new tensor, float32 also where the parts are bfloat16, so that their sum is rounded once. The one order in
// which all communicators add, so that no bit hangs on the transport.
inline at::Tensor SumInRankOrder(const std::vector<at::Tensor>& parts) {
  at::Tensor sum = parts[0].to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  for (size_t rank = 1; rank < parts.size(); ++rank) sum.add_(parts[rank]);
  return sum;
}

}  // namespace triptych::comm
