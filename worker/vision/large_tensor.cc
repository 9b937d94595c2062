#include "worker/vision/large_tensor.h"

#include <sys/mman.h>

#include <cstdint>

#include <ATen/ops/empty.h>

namespace triptych::vision {
namespace {

constexpr uintptr_t kHugePage = uintptr_t{2} << 20;

}  // namespace

at::Tensor LargeTensor(at::IntArrayRef shape, at::ScalarType dtype) {
  at::Tensor tensor = at::empty(shape, dtype);
  const auto begin = reinterpret_cast<uintptr_t>(tensor.mutable_data_ptr());
  const uintptr_t first = (begin + kHugePage - 1) & ~(kHugePage - 1), last = (begin + tensor.nbytes()) & ~(kHugePage - 1);
  // Advice alone: where it is refused, small pages do.
  if (first < last) (void)madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
  return tensor;
}

}  // namespace triptych::vision
