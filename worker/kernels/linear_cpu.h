#pragma once

#include <cstdint>

namespace triptych::kernels {

// y[n, out] = x[n, in] W^T + bias over the panels [panel_begin, panel_end) of 16 outputs each.
struct LinearCpuArgs {
  const float* x;
  int64_t rows;
  int64_t in;
  int64_t out;
  const void* panels;   // [panels, in, 16] float32 or bfloat16
  bool bfloat16;
  const float* bias;    // [out], or null
  float* y;
};
void LinearCpu(const LinearCpuArgs& args, int64_t panel_begin, int64_t panel_end);

}  // namespace triptych::kernels
