#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include <ATen/core/Tensor.h>

#include "common/model_card/image_geometry.h"
#include "common/status.h"

namespace triptych::vision {

// A picture made ready for the tower.
struct PreparedImage {
  at::Tensor tiles;       // [tiles, 3, side, side] float32, normalised
  int32_t rows = 0;       // embedding rows it will give
  int32_t grid_rows = 0;  // tiles of the high-resolution grid, 0 where the family does not tile
  int32_t grid_columns = 0;
};

// Pixels to embedding rows: preprocessing, tower and projector of one family. Prepare is thread-safe and bit-exact with the
// reference; Encode runs on the encoder's device thread only. A tile's bits do not hang on what is in the batch beside it.
class VisionEncoder {
 public:
  virtual ~VisionEncoder() = default;
  // [height, width, 3] uint8 RGB. kInvalidArgument for what the family cannot take.
  virtual StatusOr<PreparedImage> Prepare(const at::Tensor& rgb, int32_t max_tiles) const = 0;
  // Features of tiles, the unit of batching: [tiles, 3, side, side] -> [tiles, tokens, width].
  virtual at::Tensor Tower(const at::Tensor& tiles) = 0;
  // All tiles' features of one picture to its rows: [tiles, tokens, width] -> [rows, hidden] float32 on the CPU.
  virtual at::Tensor Project(const PreparedImage& image, const at::Tensor& features) = 0;
  virtual int32_t hidden_size() const = 0;
};

}  // namespace triptych::vision
