#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace triptych::vision {

// [height, width, 3] uint8 -> [3, height, width] float32: value / 255, less CLIP's mean, by its deviation, each step rounded to float32
// as the reference rounds it.
at::Tensor NormalizeForClip(const at::Tensor& rgb);

// The whole picture as one square tile whatever its shape: [height, width, 3] uint8 -> [1, 3, side, side] float32, resized bicubically and normalised.
at::Tensor SquashForClip(const at::Tensor& rgb, int32_t side);

}  // namespace triptych::vision
