#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/model_card/image_geometry.h"

namespace triptych::vision {

// The whole canvas as one tile, views[0], from its tiles while these are written: torch's bicubic
// filter (a = -0.75, corners not aligned, no antialias), bit for bit as torch computes it on this
// CPU.
//
// A canvas is a whole number of times as long as the view. So the filter falls on the middle of two
// pixels everywhere (even numbers: four taps, always the same weights) or on one pixel (odd numbers:
// that one alone). In what order torch sums and which products it fuses into sums hangs on its
// compiler and on the instruction set: the first view of a process is compared with torch's on a
// small canvas, and where they differ all views are torch's.
class GlobalView {
 public:
  // views [1 + tiles, 3, side, side] float32, contiguous, written from outside but for views[0].
  GlobalView(const Tiling& tiling, at::Tensor views);

  // The canvas' line y, the next one, is in the tiles. Writes what it makes complete.
  void AddLine(int64_t y);

 private:
  static constexpr int64_t kColors = 3;
  static constexpr int64_t kTaps = 4;
  using Line = std::vector<float>;  // [3 * side]

  friend bool OwnViewIsTorchs();
  void AddOwnLine(int64_t y);
  void WriteTorchs();
  void FilterLine(int64_t y, float* out);
  void Look(const float* tile_line, int64_t tap, float* out) const;

  const Tiling tiling_;
  const at::Tensor views_;
  const int64_t side_;
  std::array<std::vector<int64_t>, kTaps> places_;  // of a line's taps, from its begin in its first tile
  std::array<Line, kTaps> taps_;                    // of one line and colour
  // Lines that were filtered last, each where its number modulo the taps' puts it: no two that one
  // line of the view is made of fall together.
  std::array<Line, kTaps> filtered_;
  int64_t next_ = 0;  // line of the view
};

}  // namespace triptych::vision
