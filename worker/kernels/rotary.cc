#include "worker/kernels/rotary.h"

#include "common/check.h"
#include "worker/kernels/rotary_device.h"

namespace triptych::kernels {

void ApplyRotary(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  if (!x.is_cpu()) return ApplyRotaryCuda(x, cos, sin);
  TRIPTYCH_CHECK(x.is_contiguous() && cos.is_contiguous() && sin.is_contiguous());
  const int64_t heads = x.size(1), half = x.size(2) / 2;
  float* at = x.mutable_data_ptr<float>();
  for (int64_t row = 0; row < x.size(0); ++row) {
    const float* const c = cos.const_data_ptr<float>() + row * half;
    const float* const s = sin.const_data_ptr<float>() + row * half;
    for (int64_t head = 0; head < heads; ++head, at += 2 * half) {
      for (int64_t i = 0; i < half; ++i) {
        const float first = at[i], second = at[half + i];
        at[i] = first * c[i] - second * s[i];
        at[half + i] = second * c[i] + first * s[i];
      }
    }
  }
}

}  // namespace triptych::kernels
