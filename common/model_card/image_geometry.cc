#include "common/model_card/image_geometry.h"

#include <algorithm>
#include <cmath>

namespace triptych {
namespace {

// The most tiles that the longer side may take. The reference computes in double precision, and so does this.
int32_t LongTiles(const TilingRule& rule, double ratio, int32_t longer, int32_t max_tiles) {
  int32_t scale = 1;
  while ((scale + 1) * std::ceil((scale + 1) / ratio) <= max_tiles) ++scale;
  const auto needed = static_cast<int32_t>(std::ceil(static_cast<double>(longer) / rule.side));
  return rule.enlarges ? scale : std::min(needed, scale);
}

}  // namespace

StatusOr<Tiling> TilePicture(const TilingRule& rule, ImageSize size, int32_t max_tiles) {
  if (max_tiles < 1 || max_tiles > kMaxTiles) return InvalidArgument("max_tiles is {}, allowed are 1 to {}", max_tiles, kMaxTiles);
  if (size.width < 1 || size.height < 1) return InvalidArgument("the picture is empty: {} x {} pixels", size.width, size.height);
  const int32_t longer = std::max(size.width, size.height), shorter = std::min(size.width, size.height);
  const double ratio = static_cast<double>(longer) / shorter;
  const int32_t long_tiles = LongTiles(rule, ratio, longer, max_tiles);
  const int32_t long_content = long_tiles * rule.side;
  const auto short_content = static_cast<int32_t>(long_content / ratio);
  if (short_content == 0) {
    return InvalidArgument("a picture of {} x {} pixels is too thin for {} tiles of {}: its longer side may be at most {} times the shorter",
                           size.width, size.height, long_tiles, rule.side, long_content);
  }
  const int32_t short_tiles = (short_content + rule.side - 1) / rule.side;
  const int32_t before = rule.centers ? (short_tiles * rule.side - short_content) / 2 : 0;
  if (size.width < size.height) {
    return Tiling{.rows = long_tiles, .columns = short_tiles, .side = rule.side, .content = {short_content, long_content}, .left = before, .transposed = true};
  }
  return Tiling{.rows = short_tiles, .columns = long_tiles, .side = rule.side, .content = {long_content, short_content}, .top = before};
}

int64_t TiledRows(const Tiling& tiling, int32_t merged) {
  const int64_t tokens = int64_t{merged} * merged;
  return (tiling.tiles() + 1) * tokens + 1 + (tiling.rows + 1) * int64_t{merged};
}

}  // namespace triptych
