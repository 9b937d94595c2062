#pragma once

#include <cstdint>

#include "common/status.h"

namespace triptych {

struct ImageSize {
  int32_t width = 0;
  int32_t height = 0;
  auto operator<=>(const ImageSize&) const = default;
};

inline constexpr int32_t kMaxTiles = 128;  // that a picture's max_tiles may ask for

// How a family that cuts pictures into tiles lays them out.
struct TilingRule {
  int32_t side = 0;       // of a tile, in pixels
  bool enlarges = false;  // small pictures grow until they use up the tiles; else their longer side only to the next whole tile
  bool centers = false;   // half of the padding stands on each side; else all of it below (a tall picture's: to the right)
};

// Where a picture's pixels go. It is resized to `content`, keeping its shape but for rounding, at `left`, `top` in a white canvas of
// columns x rows tiles.
struct Tiling {
  int32_t rows = 0;
  int32_t columns = 0;
  int32_t side = 0;
  ImageSize content;
  int32_t left = 0;
  int32_t top = 0;
  bool transposed = false;  // taller than wide: the reference swaps the axes before it resizes, and swaps them back after padding

  int32_t tiles() const { return rows * columns; }
  ImageSize canvas() const { return {columns * side, rows * side}; }
};

// HD_transform of InternLM-XComposer2-4KHD and Image_transform of 2.5, without the pixels: the longer side is laid over as many tiles as
// `max_tiles` allow. kInvalidArgument for max_tiles outside 1 to kMaxTiles, an empty picture, and one so long that its shorter side vanishes.
StatusOr<Tiling> TilePicture(const TilingRule& rule, ImageSize size, int32_t max_tiles);

// Embedding rows of a tiled picture whose tiles have `merged` x `merged` tokens each: the global view and the stitched tiles, each row of
// tokens with a separator behind it, and one separator between the two.
int64_t TiledRows(const Tiling& tiling, int32_t merged);

}  // namespace triptych
