#pragma once

#include <ATen/core/Tensor.h>

namespace triptych::vision {

// As NormalizeLine: [height, width, 3] uint8 -> [3, height, width] float32.
at::Tensor NormalizeForClip(const at::Tensor& rgb);

// The whole picture as one square tile whatever its shape: [height, width, 3] uint8 -> [1, 3, side, side] float32, resized bicubically and normalised.
at::Tensor SquashForClip(const at::Tensor& rgb, int32_t side);

}  // namespace triptych::vision
