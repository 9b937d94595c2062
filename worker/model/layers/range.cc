#include "worker/model/layers/range.h"

namespace triptych::model::layers {

Status CheckRanks(int64_t size, int64_t n, std::string_view what) {
  if (size <= n) return OkStatus();
  return FailedPrecondition(
      "tensor_parallel: each rank needs one of the model's {} {}: {} ranks wanted, 1 to {} "
      "possible",
      n,
      what,
      size,
      n);
}

}  // namespace triptych::model::layers
