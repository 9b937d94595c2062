#include "worker/vision/tiled_encoder.h"

#include <utility>

#include <ATen/ops/cat.h>

#include "common/check.h"
#include "worker/vision/tiled_pixels.h"

namespace triptych::vision {
namespace {

constexpr int64_t kMerged = 2;  // patches along a token

// [views, tokens, width] -> [views, merged, merged, 4 * width]: the four patches of a block one after the other, row by row.
at::Tensor MergePatches(const at::Tensor& features, int64_t merged) {
  const int64_t views = features.size(0), width = features.size(2);
  return features.reshape({views, merged, kMerged, merged, kMerged, width})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({views, merged, merged, kMerged * kMerged * width});
}

}  // namespace

StatusOr<std::unique_ptr<VisionEncoder>> TiledEncoder::Load(const weights::WeightLoader& loader,
                                                            const Options& options,
                                                            at::Device device,
                                                            at::ScalarType dtype) {
  ClipVitSizes sizes = options.sizes;
  sizes.stretch_positions = false;
  if (sizes.patch_size > 0 && sizes.grid() % kMerged != 0) {
    return FailedPrecondition("tiles of {} have {} patches of {} to a side: not an even number", sizes.image_size, sizes.grid(), sizes.patch_size);
  }
  const int64_t width = kMerged * kMerged * sizes.width;
  WeightReader reader(&loader, device, dtype);
  TRIPTYCH_ASSIGN_OR_RETURN(ClipVit vit, ClipVit::Load(reader, "vit.vision_tower.vision_model.", sizes));
  TRIPTYCH_ASSIGN_OR_RETURN(Projector projector, Projector::Load(reader, "vision_proj", width, options.hidden_size));
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor view_end, reader.Tensor("plora_glb_GN", {1, 1, width}));
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor row_end, reader.Tensor("plora_sub_GN", {1, 1, 1, width}));
  TRIPTYCH_RETURN_IF_ERROR(reader.CheckAllRead({"vit.", "vision_proj.", "plora_"}));
  return std::unique_ptr<VisionEncoder>(
      new TiledEncoder(options, std::move(vit), std::move(projector), view_end.view({1, width}), row_end.view({1, 1, width})));
}

TiledEncoder::TiledEncoder(const Options& options, ClipVit vit, Projector projector, at::Tensor view_end, at::Tensor row_end)
    : options_(options),
      vit_(std::move(vit)),
      projector_(std::move(projector)),
      view_end_(std::move(view_end)),
      row_end_(std::move(row_end)) {
  TRIPTYCH_CHECK(options_.rule.side == vit_.sizes().image_size);
}

StatusOr<PreparedImage> TiledEncoder::Prepare(const at::Tensor& rgb, int32_t max_tiles) const {
  const ImageSize size{static_cast<int32_t>(rgb.size(1)), static_cast<int32_t>(rgb.size(0))};
  TRIPTYCH_ASSIGN_OR_RETURN(const Tiling tiling, TilePicture(options_.rule, size, max_tiles == 0 ? options_.default_max_tiles : max_tiles));
  const auto merged = static_cast<int32_t>(vit_.sizes().grid() / kMerged);
  return PreparedImage{.tiles = MakeTiles(rgb, tiling),
                       .rows = static_cast<int32_t>(TiledRows(tiling, merged)),
                       .grid_rows = tiling.rows,
                       .grid_columns = tiling.columns};
}

at::Tensor TiledEncoder::Tower(const at::Tensor& tiles) { return vit_.Forward(tiles); }

at::Tensor TiledEncoder::Arrange(const PreparedImage& image, const at::Tensor& features) const {
  const int64_t rows = image.grid_rows, columns = image.grid_columns, merged = vit_.sizes().grid() / kMerged;
  TRIPTYCH_CHECK(features.size(0) == 1 + rows * columns && features.size(1) == vit_.sizes().tokens());
  const at::Tensor tokens = MergePatches(features, merged);
  const int64_t width = tokens.size(3);
  // [lines, tokens of a line, width] -> [lines * (1 + tokens), width]
  const auto end_rows = [&](const at::Tensor& grid) {
    return at::cat({grid, row_end_.expand({grid.size(0), 1, width})}, 1).view({-1, width});
  };
  const at::Tensor grid = tokens.narrow(0, 1, rows * columns)
                              .view({rows, columns, merged, merged, width})
                              .permute({0, 2, 1, 3, 4})
                              .reshape({rows * merged, columns * merged, width});
  return at::cat({end_rows(tokens[0]), view_end_, end_rows(grid)});
}

at::Tensor TiledEncoder::Project(const PreparedImage& image, const at::Tensor& features) {
  const at::Tensor arranged = Arrange(image, features);
  TRIPTYCH_CHECK(arranged.size(0) == image.rows);
  return projector_.Forward(arranged).to(at::kCPU, at::kFloat).contiguous();
}

}  // namespace triptych::vision
