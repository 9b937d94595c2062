#pragma once

#include <cstdint>

#include "worker/kernels/linear_cpu.h"

namespace triptych::kernels {

// y[n, out] = x[n, in] W^T + bias, with W in whole numbers (see QuantizedMatrix).
struct QuantizedLinearCpuArgs {
  LinearCpuArgs linear;     // its panels are not looked at
  int bits;                 // 4 or 8
  int64_t groups;
  const uint8_t* codes;     // [panels, in, 16]; of 4 bits [panels, in, 8]: b, above it b + 8
  const float* scales;      // [panels, groups, 16]
  const uint8_t* zeros;     // [panels, groups, 16]
  const int32_t* group_of;  // [in]
};
// Over the panels [panel_begin, panel_end) of 16 outputs each.
void QuantizedLinearCpu(const QuantizedLinearCpuArgs& args, int64_t panel_begin, int64_t panel_end);

}  // namespace triptych::kernels
