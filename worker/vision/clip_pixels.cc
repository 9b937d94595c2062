#include "worker/vision/clip_pixels.h"

#include <array>

#include "common/check.h"
#include "worker/vision/large_tensor.h"
#include "worker/vision/pil_resize.h"

namespace triptych::vision {
namespace {

constexpr int64_t kColors = 3;
constexpr float kMean[kColors] = {0.48145466f, 0.4578275f, 0.40821073f};
constexpr float kDeviation[kColors] = {0.26862954f, 0.26130258f, 0.27577711f};

constexpr std::array<std::array<float, 256>, kColors> MakeTables() {
  std::array<std::array<float, 256>, kColors> tables{};
  for (int64_t color = 0; color < kColors; ++color) {
    for (int value = 0; value < 256; ++value) {
      const float scaled = static_cast<float>(value) / 255.0f;
      const float centered = scaled - kMean[color];
      tables[color][value] = centered / kDeviation[color];
    }
  }
  return tables;
}

constexpr auto kTables = MakeTables();

}  // namespace

const float* ClipTable(int color) { return kTables[color].data(); }

at::Tensor NormalizeForClip(const at::Tensor& rgb) {
  TRIPTYCH_CHECK(rgb.dim() == 3 && rgb.size(2) == kColors && rgb.scalar_type() == at::kByte && rgb.is_contiguous());
  const int64_t pixels = rgb.size(0) * rgb.size(1);
  at::Tensor planes = LargeTensor({kColors, rgb.size(0), rgb.size(1)});
  const uint8_t* const in = rgb.const_data_ptr<uint8_t>();
  for (int64_t color = 0; color < kColors; ++color) {
    const float* const table = ClipTable(static_cast<int>(color));
    float* const out = planes.mutable_data_ptr<float>() + color * pixels;
    for (int64_t i = 0; i < pixels; ++i) out[i] = table[in[i * kColors + color]];
  }
  return planes;
}

at::Tensor SquashForClip(const at::Tensor& rgb, int32_t side) {
  return NormalizeForClip(PilResize(rgb, {side, side}, ResizeFilter::kBicubic)).unsqueeze(0);
}

}  // namespace triptych::vision
