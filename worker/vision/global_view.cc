#include "worker/vision/global_view.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/upsample_bicubic2d.h>

#include "common/check.h"
#include "spdlog/spdlog.h"
#include "worker/vision/bicubic_line.h"
#include "worker/vision/clip_pixels.h"

namespace triptych::vision {
namespace {

constexpr int64_t kColors = 3;
constexpr int64_t kTaps = 4;

// Where a dimension of `side` places, `scale` times as long on the canvas, is seen: place i is the
// middle of taps 1 and 2 of its four, or in odd scales tap 0 alone.
int64_t SeenPlace(int64_t scale, int64_t side, int64_t i, int64_t tap) {
  const int64_t place = scale % 2 == 1 ? i * scale + scale / 2 : i * scale + scale / 2 - 2 + tap;
  return std::clamp<int64_t>(place, 0, scale * side - 1);
}

// One colour of a canvas, filtered along its lines.
class SeenLines {
 public:
  SeenLines(const at::Tensor& canvas, const Tiling& tiling, int color)
      : in_(canvas.const_data_ptr<uint8_t>() + color),
        table_(ClipTable(color)),
        side_(tiling.side),
        scale_(tiling.columns) {
    for (int64_t tap = 0; tap < kTaps; ++tap) {
      for (int64_t i = 0; i < side_; ++i) {
        places_[tap].push_back(static_cast<int32_t>(SeenPlace(scale_, side_, i, tap) * kColors));
      }
      taps_[tap].resize(side_);
    }
  }

  void Write(int64_t y, float* out) {
    const uint8_t* const line = in_ + y * scale_ * side_ * kColors;
    if (scale_ % 2 == 1) return Look(line, 0, out);
    // Every second place of a canvas twice as long is seen by its neighbours too.
    const bool shares = scale_ == 2 && side_ > 1;
    for (const int64_t tap : {1, 2}) Look(line, tap, taps_[tap].data());
    if (shares) {
      Shift(line);
    } else {
      for (const int64_t tap : {0, 3}) Look(line, tap, taps_[tap].data());
    }
    BicubicMiddle(taps_[0].data(), taps_[1].data(), taps_[2].data(), taps_[3].data(), side_, out);
  }

 private:
  void Look(const uint8_t* line, int64_t tap, float* out) const {
    const int32_t* const places = places_[tap].data();
    for (int64_t i = 0; i < side_; ++i) out[i] = table_[line[places[i]]];
  }

  // Taps 0 and 3 of a canvas twice as long: the neighbours' taps 2 and 1.
  void Shift(const uint8_t* line) {
    std::memcpy(taps_[0].data() + 1, taps_[2].data(), (side_ - 1) * sizeof(float));
    std::memcpy(taps_[3].data(), taps_[1].data() + 1, (side_ - 1) * sizeof(float));
    taps_[0].front() = table_[line[places_[0].front()]];
    taps_[3].back() = table_[line[places_[3].back()]];
  }

  const uint8_t* const in_;
  const float* const table_;
  const int64_t side_, scale_;
  std::array<std::vector<int32_t>, kTaps> places_;  // bytes from a line's begin
  std::array<std::vector<float>, kTaps> taps_;
};

void WriteColor(const at::Tensor& canvas, const Tiling& tiling, int color, float* out) {
  const int64_t side = tiling.side, scale = tiling.rows;
  SeenLines lines(canvas, tiling, color);
  // Lines that were filtered last, each where its number modulo the taps' puts it: no two that one
  // place sees fall together.
  std::array<std::vector<float>, kTaps> filtered;
  std::array<int64_t, kTaps> number;
  filtered.fill(std::vector<float>(side));
  number.fill(-1);
  for (int64_t i = 0; i < side; ++i, out += side) {
    if (scale % 2 == 1) {
      lines.Write(SeenPlace(scale, side, i, 0), out);
      continue;
    }
    std::array<const float*, kTaps> taps;
    for (int64_t tap = 0; tap < kTaps; ++tap) {
      const int64_t y = SeenPlace(scale, side, i, tap), slot = y % kTaps;
      if (number[slot] != y) lines.Write(y, filtered[slot].data());
      number[slot] = y;
      taps[tap] = filtered[slot].data();
    }
    BicubicMiddle(taps[0], taps[1], taps[2], taps[3], side, out);
  }
}

void WriteOwnView(const at::Tensor& canvas, const Tiling& tiling, float* out) {
  for (int color = 0; color < kColors; ++color) {
    WriteColor(canvas, tiling, color, out + color * int64_t{tiling.side} * tiling.side);
  }
}

void WriteTorchsView(const at::Tensor& canvas, const Tiling& tiling, float* out) {
  const at::Tensor view = at::upsample_bicubic2d(NormalizeForClip(canvas).unsqueeze(0),
                                                 {tiling.side, tiling.side},
                                                 /*align_corners=*/false);
  std::memcpy(out, view.const_data_ptr<float>(), view.nbytes());
}

// Whether the two agree bit for bit, on a canvas with an even number of tiles either way.
bool OwnViewIsTorchs() {
  const Tiling tiling{.rows = 2, .columns = 4, .side = 20, .content = {80, 40}};
  at::Tensor canvas = at::empty({40, 80, kColors}, at::kByte);
  auto* const bytes = canvas.mutable_data_ptr<uint8_t>();
  uint32_t state = 1;  // a linear congruential generator's, by Knuth
  for (int64_t i = 0; i < canvas.numel(); ++i) {
    state = state * 1664525 + 1013904223;
    bytes[i] = static_cast<uint8_t>(state >> 24);
  }
  std::vector<float> own(kColors * 20 * 20), torchs(own.size());
  WriteOwnView(canvas, tiling, own.data());
  WriteTorchsView(canvas, tiling, torchs.data());
  const bool is_equal = std::memcmp(own.data(), torchs.data(), own.size() * sizeof(float)) == 0;
  if (!is_equal) spdlog::warn("global views by libtorch: its bicubic filter sums in an own order");
  return is_equal;
}

}  // namespace

void WriteGlobalView(const at::Tensor& canvas, const Tiling& tiling, float* out) {
  TRIPTYCH_CHECK(canvas.is_contiguous() && canvas.size(0) == tiling.rows * tiling.side &&
                 canvas.size(1) == tiling.columns * tiling.side);
  static const bool is_own = OwnViewIsTorchs();
  (is_own ? WriteOwnView : WriteTorchsView)(canvas, tiling, out);
}

}  // namespace triptych::vision
