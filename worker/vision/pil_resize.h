#pragma once

#include <cstdint>
#include <functional>

#include <ATen/core/Tensor.h>

#include "common/model_card/image_geometry.h"

namespace triptych::vision {

enum class ResizeFilter { kBilinear, kBicubic };  // bicubic with a = -0.5; both widen when they shrink (antialias)

// [height, width, 3] uint8 -> [size.height, size.width, 3] uint8, byte for byte as `Image.resize` of Pillow 13, the golden sets' version: columns
// and rows one after the other, each in 22-bit fixed point, rounded and clipped to a byte between the two. Both sizes at least 1x1. Thread-safe.
at::Tensor PilResize(const at::Tensor& rgb, ImageSize size, ResizeFilter filter);

// The same, line by line from the first on: take(y, line) gets size.width * 3 bytes that hold until it
// returns. Where `transposed`, as PilResize of the picture with its axes swapped, swapped back: only
// the order of the two passes is another, which shows in the last bit.
void PilResizeLines(const at::Tensor& rgb, ImageSize size, ResizeFilter filter, bool transposed,
                    const std::function<void(int64_t y, const uint8_t* line)>& take);

}  // namespace triptych::vision
