#pragma once

#include <ATen/core/Tensor.h>

#include "common/model_card/image_geometry.h"

namespace triptych::vision {

// A picture in tiles, as the towers of 4KHD and 2.5 take it: [1 + rows * columns, 3, side, side] float32, the global view first, then the
// tiles row by row. `rgb` [height, width, 3] uint8 is resized as Pillow does it (bilinear), padded with white and normalised for CLIP; the
// global view is the whole canvas after that, made small with torch's bicubic filter (a = -0.75, corners not aligned, no antialias). Bit for
// bit as the reference on a CPU. Thread-safe.
at::Tensor MakeTiles(const at::Tensor& rgb, const Tiling& tiling);

}  // namespace triptych::vision
