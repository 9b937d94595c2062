#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace triptych::vision {

// What CLIP makes of a colour's byte: value / 255, less its mean, by its deviation, each step rounded to float32 as the reference rounds
// it. `color`: 0 red, 1 green, 2 blue; the table has 256 entries and lives for ever.
const float* ClipTable(int color);

// [height, width, 3] uint8 -> [3, height, width] float32 through the tables.
at::Tensor NormalizeForClip(const at::Tensor& rgb);

// The whole picture as one square tile whatever its shape: [height, width, 3] uint8 -> [1, 3, side, side] float32, resized bicubically and normalised.
at::Tensor SquashForClip(const at::Tensor& rgb, int32_t side);

}  // namespace triptych::vision
