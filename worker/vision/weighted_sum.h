#pragma once

#include <cstddef>
#include <cstdint>

namespace triptych::vision {

// out[i] = clip((half + sum over t of in[t * stride + i] * weights[t]) >> kTapFractionBits) for i below `lanes`: both passes of a resize are
// this, over rows of pixels or over columns laid side by side. Exact integers: every vector width gives the same bytes.
void WeightedSum(const uint8_t* in, ptrdiff_t stride, const int32_t* weights, int32_t taps, uint8_t* out, int32_t lanes);

}  // namespace triptych::vision
