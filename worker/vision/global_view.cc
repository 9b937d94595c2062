#include "worker/vision/global_view.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/upsample_bicubic2d.h>

#include "common/check.h"
#include "spdlog/spdlog.h"
#include "worker/vision/bicubic_line.h"

namespace triptych::vision {
namespace {

// Where place i of `side` is seen on a canvas `scale` times as long: in the middle of taps 1 and 2
// of its four, or in odd scales at each of them.
int64_t SeenPlace(int64_t scale, int64_t side, int64_t i, int64_t tap) {
  const int64_t place = i * scale + scale / 2 + (scale % 2 == 1 ? 0 : tap - 2);
  return std::clamp<int64_t>(place, 0, scale * side - 1);
}

}  // namespace

// Whether the two agree, on a canvas with an even number of tiles either way.
bool OwnViewIsTorchs() {
  const Tiling tiling{.rows = 2, .columns = 4, .side = 20, .content = {80, 40}};
  const at::Tensor views = at::arange((1 + tiling.tiles()) * 3 * 20 * 20, at::kFloat).mul_(1.7).sin_().view({-1, 3, 20, 20});
  GlobalView view(tiling, views);
  for (int64_t y = 0; y < tiling.canvas().height; ++y) view.AddOwnLine(y);
  const at::Tensor own = views[0].clone();
  view.WriteTorchs();
  const bool is_equal = at::equal(own, views[0]);
  if (!is_equal) spdlog::warn("global views are libtorch's own: its bicubic filter sums differently");
  return is_equal;
}

GlobalView::GlobalView(const Tiling& tiling, at::Tensor views)
    : tiling_(tiling), views_(std::move(views)), side_(tiling.side) {
  TRIPTYCH_CHECK(views_.is_contiguous() && views_.size(0) == 1 + tiling.tiles() &&
                 views_.size(3) == side_);
  for (int64_t tap = 0; tap < kTaps; ++tap) {
    taps_[tap].resize(side_);
    filtered_[tap].resize(kColors * side_);
    for (int64_t i = 0; i < side_; ++i) {
      const int64_t x = SeenPlace(tiling_.columns, side_, i, tap);
      places_[tap].push_back(x / side_ * kColors * side_ * side_ + x % side_);
    }
  }
}

void GlobalView::AddLine(int64_t y) {
  static const bool is_own = OwnViewIsTorchs();
  if (is_own) {
    AddOwnLine(y);
  } else if (y + 1 == tiling_.rows * side_) {
    WriteTorchs();
  }
}

void GlobalView::AddOwnLine(int64_t y) {
  const auto seen = [&](int64_t tap) { return SeenPlace(tiling_.rows, side_, next_, tap); };
  if (next_ == side_ || y < seen(0)) return;
  Line& line = filtered_[y % kTaps];
  FilterLine(y, line.data());
  for (; next_ < side_ && seen(kTaps - 1) == y; ++next_) {
    for (int64_t color = 0; color < kColors; ++color) {
      float* const out = views_.data_ptr<float>() + (color * side_ + next_) * side_;
      const auto tap = [&](int64_t i) { return filtered_[seen(i) % kTaps].data() + color * side_; };
      if (tiling_.rows % 2 == 1) {
        std::memcpy(out, tap(0), side_ * sizeof(float));
      } else {
        BicubicMiddle(tap(0), tap(1), tap(2), tap(3), side_, out);
      }
    }
  }
}

// Line y of the canvas, filtered along it: [3, side].
void GlobalView::FilterLine(int64_t y, float* out) {
  const int64_t plane = side_ * side_;
  const float* tile_line = views_.const_data_ptr<float>() +
                           (1 + y / side_ * tiling_.columns) * kColors * plane + y % side_ * side_;
  for (int64_t color = 0; color < kColors; ++color, tile_line += plane, out += side_) {
    if (tiling_.columns % 2 == 1) {
      Look(tile_line, 0, out);
      continue;
    }
    Look(tile_line, 1, taps_[1].data());
    Look(tile_line, 2, taps_[2].data());
    if (tiling_.columns == 2) {  // what is seen here is seen by the neighbours too
      std::copy_n(taps_[2].begin(), side_ - 1, taps_[0].begin() + 1);
      std::copy_n(taps_[1].begin() + 1, side_ - 1, taps_[3].begin());
      taps_[0].front() = tile_line[places_[0].front()];
      taps_[3].back() = tile_line[places_[3].back()];
    } else {
      Look(tile_line, 0, taps_[0].data());
      Look(tile_line, 3, taps_[3].data());
    }
    BicubicMiddle(taps_[0].data(), taps_[1].data(), taps_[2].data(), taps_[3].data(), side_, out);
  }
}

void GlobalView::Look(const float* tile_line, int64_t tap, float* out) const {
  const int64_t* const places = places_[tap].data();
  for (int64_t i = 0; i < side_; ++i) out[i] = tile_line[places[i]];
}

void GlobalView::WriteTorchs() {
  const at::Tensor canvas = views_.narrow(0, 1, tiling_.tiles())
                                .view({tiling_.rows, tiling_.columns, kColors, side_, side_})
                                .permute({2, 0, 3, 1, 4})
                                .reshape({1, kColors, tiling_.rows * side_, tiling_.columns * side_});
  views_[0].copy_(at::upsample_bicubic2d(canvas, {side_, side_}, /*align_corners=*/false)[0]);
}

}  // namespace triptych::vision
