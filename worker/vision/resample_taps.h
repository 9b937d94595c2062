#pragma once

#include <cstdint>
#include <vector>

#include "worker/vision/pil_resize.h"

namespace triptych::vision {

inline constexpr int kTapFractionBits = 22;  // 32 bits, less 8 of the pixel, less 2 for the filter's overshoot

// For each output place of one axis the input places it is made of, and their weights in fixed point.
struct ResampleTaps {
  int32_t width = 0;              // weights kept for each output place; those behind its count are zero
  std::vector<int32_t> first;     // [out] first input place
  std::vector<int32_t> count;     // [out]
  std::vector<int32_t> weights;   // [out, width]
};

ResampleTaps MakeTaps(int32_t in, int32_t out, ResizeFilter filter);

}  // namespace triptych::vision
