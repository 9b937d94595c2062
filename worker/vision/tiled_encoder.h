#pragma once

#include <cstdint>
#include <memory>

#include "common/model_card/image_geometry.h"
#include "worker/vision/clip_vit.h"
#include "worker/vision/projector.h"
#include "worker/vision/vision_encoder.h"
#include "worker/weights/weight_loader.h"

namespace triptych::vision {

// InternLM-XComposer2-4KHD and 2.5: the tower runs over a small view of the whole picture and over its tiles; 2 x 2 neighbouring patches become
// one token; the tokens of all tiles are put together to one grid. Rows: the global view, a separator, the grid, with another separator at the
// end of each row of tokens. Separators pass through the projector as tokens do.
class TiledEncoder final : public VisionEncoder {
 public:
  struct Options {
    ClipVitSizes sizes;      // image_size: of a tile
    TilingRule rule;         // of the same side
    int64_t hidden_size = 0;
    int32_t default_max_tiles = 0;  // where a picture asks for none
  };

  // kFailedPrecondition names a tensor that is missing, of another shape, or part of no encoder. The position table is taken as it is.
  static StatusOr<std::unique_ptr<VisionEncoder>> Load(const weights::WeightLoader& loader,
                                                       const Options& options,
                                                       at::Device device,
                                                       at::ScalarType dtype);

  StatusOr<PreparedImage> Prepare(const at::Tensor& rgb, int32_t max_tiles) const override;
  at::Tensor Tower(const at::Tensor& tiles) override;
  at::Tensor Project(const PreparedImage& image, const at::Tensor& features) override;
  int32_t hidden_size() const override { return static_cast<int32_t>(options_.hidden_size); }

  // What the projector takes: [1 + tiles, tokens, width] -> [rows, 4 * width].
  at::Tensor Arrange(const PreparedImage& image, const at::Tensor& features) const;

 private:
  TiledEncoder(const Options& options, ClipVit vit, Projector projector, at::Tensor view_end, at::Tensor row_end);

  const Options options_;
  const ClipVit vit_;
  const Projector projector_;
  const at::Tensor view_end_;  // [1, 4 * width]
  const at::Tensor row_end_;   // [1, 1, 4 * width]
};

}  // namespace triptych::vision
