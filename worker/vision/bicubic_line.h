#pragma once

#include <cstdint>

namespace triptych::vision {

// The middle between two samples by torch's cubic filter (a = -0.75), which weighs the two before
// it and the two behind it: out[i] = before2[i] w + before[i] v + behind[i] v + behind2[i] w, for i
// below `count`, added from left to right. Where the instruction set has fused multiply-adds, every
// product but the second's is part of one; where not, all are rounded: as in the code that torch's
// compiler made of this sum for either.
void BicubicMiddle(const float* before2, const float* before, const float* behind,
                   const float* behind2, int64_t count, float* out);

}  // namespace triptych::vision
