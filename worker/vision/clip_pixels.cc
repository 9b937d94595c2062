#include "worker/vision/clip_pixels.h"

#include "common/check.h"
#include "worker/vision/clip_line.h"
#include "worker/vision/large_tensor.h"
#include "worker/vision/pil_resize.h"

namespace triptych::vision {
namespace {

constexpr int64_t kColors = 3;

}  // namespace

at::Tensor NormalizeForClip(const at::Tensor& rgb) {
  TRIPTYCH_CHECK(rgb.dim() == 3 && rgb.size(2) == kColors && rgb.scalar_type() == at::kByte && rgb.is_contiguous());
  const int64_t pixels = rgb.size(0) * rgb.size(1);
  at::Tensor planes = LargeTensor({kColors, rgb.size(0), rgb.size(1)}, at::kFloat);
  float* const out = planes.mutable_data_ptr<float>();
  NormalizeLine(rgb.const_data_ptr<uint8_t>(), pixels, {out, out + pixels, out + 2 * pixels});
  return planes;
}

at::Tensor SquashForClip(const at::Tensor& rgb, int32_t side) {
  return NormalizeForClip(PilResize(rgb, {side, side}, ResizeFilter::kBicubic)).unsqueeze(0);
}

}  // namespace triptych::vision
