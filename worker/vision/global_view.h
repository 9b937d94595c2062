#pragma once

#include <ATen/core/Tensor.h>

#include "common/model_card/image_geometry.h"

namespace triptych::vision {

// The whole canvas as one tile: float32 [3, side, side], written to `out`; torch's bicubic filter
// (a = -0.75, corners not aligned, no antialias) over the canvas normalised for CLIP, bit for bit
// as torch computes it on this CPU. `canvas` [rows * side, columns * side, 3] uint8. Thread-safe.
//
// A canvas is a whole number of times as long as the view. So the filter falls on the middle of two
// pixels everywhere (even numbers: four taps, always the same weights) or on one pixel (odd
// numbers: that one alone). In what order torch sums and whether it fuses products into sums hangs
// on the instruction set that it was built for: the first call compares the two on a small canvas,
// and where they differ all views are torch's.
void WriteGlobalView(const at::Tensor& canvas, const Tiling& tiling, float* out);

}  // namespace triptych::vision
