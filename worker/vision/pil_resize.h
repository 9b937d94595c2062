#pragma once

#include <ATen/core/Tensor.h>

#include "common/model_card/image_geometry.h"

namespace triptych::vision {

enum class ResizeFilter { kBilinear, kBicubic };  // bicubic with a = -0.5; both widen when they shrink (antialias)

// [height, width, 3] uint8 -> [size.height, size.width, 3] uint8, byte for byte as Pillow's `Image.resize`: columns first, then rows,
// each in 22-bit fixed point, rounded and clipped to a byte between the two. Both sizes at least 1x1. Thread-safe.
at::Tensor PilResize(const at::Tensor& rgb, ImageSize size, ResizeFilter filter);

}  // namespace triptych::vision
