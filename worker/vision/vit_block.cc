#include "worker/vision/vit_block.h"

#include "worker/kernels/attention.h"

namespace triptych::vision {

void VitBlock::Forward(at::Tensor& x,
                       int64_t tiles,
                       int64_t heads,
                       at::Tensor (*activation)(const at::Tensor&)) const {
  const int64_t width = x.size(1);
  const at::Tensor packed =
      qkv.Forward(norm1.Forward(x)).view({tiles, -1, 3, heads, width / heads});
  const auto part = [&packed](int64_t index) { return packed.select(2, index).contiguous(); };
  const at::Tensor mixed = kernels::DenseAttention(part(0), part(1), part(2));
  x.add_(out.Forward(mixed.reshape({-1, width})));
  x.add_(fc2.Forward(activation(fc1.Forward(norm2.Forward(x)))));
}

}  // namespace triptych::vision
