#include "worker/vision/position_table.h"

#include <cmath>

#include <ATen/ops/cat.h>
#include <ATen/ops/upsample_bicubic2d.h>

#include "common/check.h"

namespace triptych::vision {

at::Tensor StretchPositions(const at::Tensor& table, int64_t grid) {
  const int64_t places = table.size(0) - 1;
  const auto side = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(places))));
  TRIPTYCH_CHECK(places > 0 && side * side == places);
  const int64_t width = table.size(1);
  const at::Tensor planes = table.narrow(0, 1, places).t().reshape({1, width, side, side}).contiguous();
  const at::Tensor stretched = at::upsample_bicubic2d(planes, {grid, grid}, /*align_corners=*/false);
  return at::cat({table.narrow(0, 0, 1), stretched.reshape({width, grid * grid}).t()});
}

}  // namespace triptych::vision
