#include "worker/vision/global_view.h"

#include <algorithm>
#include <array>
#include <vector>

#include <ATen/ops/empty.h>

#include "common/check.h"
#include "worker/vision/clip_pixels.h"

// Highway compiles what is between BEFORE_NAMESPACE and AFTER_NAMESPACE once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/vision/global_view.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace triptych::vision::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// out = the middle of four lines. Products and sums are rounded one by one, in this order, as torch's kernel does.
void MiddleOfFourVector(const float* const* lines, float* out, size_t size) {
  const hn::ScalableTag<float> tag;
  const auto outer = hn::Set(tag, -0.09375f), inner = hn::Set(tag, 0.59375f);
  for (size_t i = 0; i < size; i += hn::Lanes(tag)) {
    const auto mask = hn::FirstN(tag, size - i);
    auto sum = hn::Mul(hn::MaskedLoad(mask, tag, lines[0] + i), outer);
    sum = hn::Add(sum, hn::Mul(hn::MaskedLoad(mask, tag, lines[1] + i), inner));
    sum = hn::Add(sum, hn::Mul(hn::MaskedLoad(mask, tag, lines[2] + i), inner));
    sum = hn::Add(sum, hn::Mul(hn::MaskedLoad(mask, tag, lines[3] + i), outer));
    hn::BlendedStore(sum, mask, tag, out + i);
  }
}

}  // namespace triptych::vision::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace triptych::vision {
namespace {

HWY_EXPORT(MiddleOfFourVector);

constexpr int64_t kColors = 3;
constexpr int kTaps = 4;

// The pixels of one dimension that place `i` of the view is made of, at the edges the last one again: four, or one where the scale is odd.
std::array<int32_t, kTaps> Taps(int32_t i, int32_t scale, int32_t side) {
  if (scale % 2 == 1) return {i * scale + scale / 2};
  const int32_t first = i * scale + scale / 2 - 2, last = scale * side - 1;
  const auto inside = [last](int32_t place) { return std::clamp(place, 0, last); };
  return {inside(first), inside(first + 1), inside(first + 2), inside(first + 3)};
}

// One line of pixels of one colour -> `side` values.
class LineFilter {
 public:
  LineFilter(int32_t scale, int32_t side) : taps_(scale % 2 == 1 ? 1 : kTaps), offsets_(static_cast<size_t>(taps_) * side), values_(offsets_.size()) {
    for (int32_t i = 0; i < side; ++i) {
      const auto taps = Taps(i, scale, side);
      for (int t = 0; t < taps_; ++t) offsets_[static_cast<size_t>(t) * side + i] = taps[t] * static_cast<int32_t>(kColors);
    }
  }
  // `in`: the colour's byte of the line's first pixel.
  void Run(const uint8_t* in, const float* table, float* out, size_t side) {
    float* const values = taps_ == 1 ? out : values_.data();
    for (size_t i = 0; i < offsets_.size(); ++i) values[i] = table[in[offsets_[i]]];
    if (taps_ == 1) return;
    const std::array<const float*, kTaps> lines = {values, values + side, values + 2 * side, values + 3 * side};
    HWY_DYNAMIC_DISPATCH(MiddleOfFourVector)(lines.data(), out, side);
  }

 private:
  int taps_;
  std::vector<int32_t> offsets_;  // [taps, side], in bytes
  std::vector<float> values_;
};

// The filtered lines of one colour that the view's rows share: neighbours use the same ones again.
class LineCache {
 public:
  explicit LineCache(size_t side) : side_(side), values_(kTaps * side) { held_.fill(-1); }

  template <typename Make>
  const float* Line(int32_t row, const Make& make) {
    const size_t slot = static_cast<size_t>(row) % kTaps;
    float* const line = values_.data() + slot * side_;
    if (held_[slot] != row) {
      make(row, line);
      held_[slot] = row;
    }
    return line;
  }

 private:
  size_t side_;
  std::vector<float> values_;           // [kTaps, side]
  std::array<int32_t, kTaps> held_{};  // the row in each slot
};

}  // namespace

at::Tensor GlobalView(const at::Tensor& canvas, const Tiling& tiling) {
  const int32_t side = tiling.side;
  TRIPTYCH_CHECK(canvas.is_contiguous() && canvas.size(0) == tiling.rows * side && canvas.size(1) == tiling.columns * side);
  at::Tensor view = at::empty({kColors, side, side}, at::kFloat);
  LineFilter filter(tiling.columns, side);
  for (int64_t color = 0; color < kColors; ++color) {
    const float* const table = ClipTable(static_cast<int>(color));
    float* out = view.mutable_data_ptr<float>() + color * side * side;
    const auto make = [&](int32_t row, float* line) {
      filter.Run(canvas.const_data_ptr<uint8_t>() + row * canvas.size(1) * kColors + color, table, line, side);
    };
    LineCache lines(side);
    for (int32_t y = 0; y < side; ++y, out += side) {
      const auto rows = Taps(y, tiling.rows, side);
      if (tiling.rows % 2 == 1) {
        make(rows[0], out);
        continue;
      }
      std::array<const float*, kTaps> four;
      for (int t = 0; t < kTaps; ++t) four[t] = lines.Line(rows[t], make);
      HWY_DYNAMIC_DISPATCH(MiddleOfFourVector)(four.data(), out, side);
    }
  }
  return view;
}

}  // namespace triptych::vision
#endif  // HWY_ONCE
