#pragma once

#include <ATen/core/Tensor.h>

namespace triptych::vision {

// [height, width, 3] uint8 -> [3, height, width] float32: value / 255, less CLIP's mean, by its deviation, each step rounded to float32
// as the reference rounds it.
at::Tensor NormalizeForClip(const at::Tensor& rgb);

}  // namespace triptych::vision
