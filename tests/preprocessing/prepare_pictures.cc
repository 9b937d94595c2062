// Prepares pictures for the towers as an encoder does, for comparison with the reference: tests/preprocessing/compare.py.
//
// Standard input: for each picture a line "MODE WIDTH HEIGHT LIMIT" and WIDTH * HEIGHT * 3 bytes of RGB. MODE is 4khd or 2d5, LIMIT then
// max_tiles; or squash, LIMIT then the side. Standard output: for each a line "VIEWS SIDE ROWS COLUMNS" and the views, [VIEWS, 3, SIDE, SIDE]
// float32 in the machine's byte order; or a line "error MESSAGE".
#include <cstdio>
#include <iostream>
#include <string>

#include <ATen/ops/empty.h>

#include "common/log/log.h"
#include "common/model_card/image_geometry.h"
#include "common/status.h"
#include "worker/vision/clip_pixels.h"
#include "worker/vision/pil_resize.h"
#include "worker/vision/tiled_pixels.h"

namespace triptych::vision {
namespace {

struct Job {
  std::string mode;
  ImageSize size;
  int32_t limit = 0;
};

struct Views {
  at::Tensor data;  // [views, 3, side, side]
  int32_t rows = 0;
  int32_t columns = 0;
};

StatusOr<Views> Prepare(const Job& job, const at::Tensor& rgb) {
  if (job.mode == "squash") {
    const at::Tensor planes = NormalizeForClip(PilResize(rgb, {job.limit, job.limit}, ResizeFilter::kBicubic));
    return Views{planes.unsqueeze(0), 0, 0};
  }
  const TilingRule k4khd{.side = 336, .enlarges = true, .centers = true}, k2d5{.side = 560};
  if (job.mode != "4khd" && job.mode != "2d5") return InvalidArgument("mode is '{}', allowed are squash, 4khd and 2d5", job.mode);
  TRIPTYCH_ASSIGN_OR_RETURN(const Tiling tiling, TilePicture(job.mode == "4khd" ? k4khd : k2d5, job.size, job.limit));
  return Views{MakeTiles(rgb, tiling), tiling.rows, tiling.columns};
}

int Run() {
  Job job;
  while (std::cin >> job.mode >> job.size.width >> job.size.height >> job.limit) {
    std::cin.get();
    at::Tensor rgb = at::empty({job.size.height, job.size.width, 3}, at::kByte);
    if (!std::cin.read(reinterpret_cast<char*>(rgb.mutable_data_ptr<uint8_t>()), rgb.numel())) {
      fmt::print(stderr, "the pixels of a picture of {} x {} are cut short\n", job.size.width, job.size.height);
      return 1;
    }
    const StatusOr<Views> views = Prepare(job, rgb);
    if (views.ok()) {
      const at::Tensor data = views->data.contiguous();
      fmt::print("{} {} {} {}\n", data.size(0), data.size(2), views->rows, views->columns);
      std::fwrite(data.const_data_ptr(), 1, data.nbytes(), stdout);
    } else {
      fmt::print("error {}\n", Message(views.status()));
    }
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace triptych::vision

int main() {
  std::ios::sync_with_stdio(false);
  triptych::SetUpLogging("triptych_prepare_pictures", triptych::LogFormat::kText, spdlog::level::warn);  // to stderr
  return triptych::vision::Run();
}
