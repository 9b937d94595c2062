#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include "worker/vision/vision_encoder.h"

namespace triptych::fakes {

// A vision encoder without weights. A picture of max_tiles n has n tiles (at least one) and two rows a tile; all values of tile t are the
// sum of the picture's bytes plus t. One hook before each batch may wait or throw.
class FakeVisionEncoder final : public vision::VisionEncoder {
 public:
  static constexpr int32_t kHidden = 8;
  static constexpr int32_t kTokens = 2;
  using OnTower = std::function<void(const at::Tensor& tiles)>;  // device thread

  explicit FakeVisionEncoder(OnTower on_tower = nullptr) : on_tower_(std::move(on_tower)) {}

  // What tile `tile` of these pixels is worth.
  static float Value(const at::Tensor& rgb, int32_t tile) {
    const uint8_t* const pixels = rgb.const_data_ptr<uint8_t>();
    float sum = static_cast<float>(tile);
    for (int64_t i = 0; i < rgb.numel(); ++i) sum += pixels[i];
    return sum;
  }

  StatusOr<vision::PreparedImage> Prepare(const at::Tensor& rgb, int32_t max_tiles) const override {
    if (max_tiles > 100) return InvalidArgument("max_tiles is {}, at most 100", max_tiles);
    const int32_t tiles = std::max(max_tiles, 1);
    vision::PreparedImage image{.tiles = at::empty({tiles, 3, 2, 2}, at::kFloat), .rows = tiles * kTokens};
    for (int32_t tile = 0; tile < tiles; ++tile) image.tiles.select(0, tile).fill_(Value(rgb, tile));
    return image;
  }

  at::Tensor Tower(const at::Tensor& tiles) override {
    if (on_tower_) on_tower_(tiles);
    ++batches_;
    return tiles.flatten(1).narrow(1, 0, 1).unsqueeze(1).expand({tiles.size(0), kTokens, 4}).contiguous();
  }

  at::Tensor Project(const vision::PreparedImage& image, const at::Tensor& features) override {
    return features.flatten(0, 1).narrow(1, 0, 1).expand({image.rows, kHidden}).contiguous();
  }

  int32_t hidden_size() const override { return kHidden; }
  int batches() const { return batches_; }

 private:
  const OnTower on_tower_;
  std::atomic<int> batches_ = 0;
};

}  // namespace triptych::fakes
