#pragma once

#include <ATen/core/Tensor.h>

#include "common/model_card/image_geometry.h"

namespace triptych::vision {

// The whole canvas as one tile: float32 [3, side, side], torch's bicubic filter (a = -0.75, corners not aligned, no antialias) over the
// canvas normalised for CLIP, bit for bit as torch computes it on a CPU. `canvas` [rows * side, columns * side, 3] uint8.
//
// A canvas is a whole number of times as long as the view. So the filter falls on the middle of two pixels everywhere (even numbers: four
// taps, always the same weights) or on one pixel (odd numbers: that one alone). What lies between is left out before torch's own kernel runs:
// the view of the rest is the view of the whole.
at::Tensor GlobalView(const at::Tensor& canvas, const Tiling& tiling);

}  // namespace triptych::vision
