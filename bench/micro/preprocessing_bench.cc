// How long a picture takes to become tiles, and where the time goes. Numbers are per picture, on one thread.
#include <ATen/Parallel.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>
#include <benchmark/benchmark.h>

#include "common/check.h"
#include "common/model_card/image_geometry.h"
#include "worker/vision/clip_pixels.h"
#include "worker/vision/global_view.h"
#include "worker/vision/pil_resize.h"
#include "worker/vision/tiled_pixels.h"

namespace triptych::vision {
namespace {

constexpr TilingRule k4khd{.side = 336, .enlarges = true, .centers = true};
constexpr TilingRule k2d5{.side = 560};

at::Tensor Picture(int64_t width, int64_t height) { return at::randint(256, {height, width, 3}, at::kByte); }

// Arguments: width, height, max_tiles.
void MakeTilesOf(benchmark::State& state, const TilingRule& rule) {
  const at::Tensor rgb = Picture(state.range(0), state.range(1));
  const auto tiling = TilePicture(rule, {static_cast<int32_t>(state.range(0)), static_cast<int32_t>(state.range(1))}, static_cast<int32_t>(state.range(2)));
  TRIPTYCH_CHECK(tiling.ok());
  for (auto _ : state) benchmark::DoNotOptimize(MakeTiles(rgb, *tiling));
  state.counters["tiles"] = tiling->tiles();
}

void Squash(benchmark::State& state) {
  const at::Tensor rgb = Picture(state.range(0), state.range(1));
  const auto side = static_cast<int32_t>(state.range(2));
  for (auto _ : state) benchmark::DoNotOptimize(NormalizeForClip(PilResize(rgb, {side, side}, ResizeFilter::kBicubic)));
}

// Arguments: width and height of the source, of the result.
void Resize(benchmark::State& state, bool transposed) {
  const at::Tensor rgb = Picture(state.range(0), state.range(1));
  const ImageSize size{static_cast<int32_t>(state.range(2)), static_cast<int32_t>(state.range(3))};
  for (auto _ : state) {
    PilResizeLines(rgb, size, ResizeFilter::kBilinear, transposed, [](int64_t, const uint8_t* line) { benchmark::DoNotOptimize(*line); });
  }
}

void Normalize(benchmark::State& state) {
  const at::Tensor rgb = Picture(state.range(0), state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(NormalizeForClip(rgb));
  state.SetBytesProcessed(state.iterations() * rgb.numel());
}

// Arguments: columns and rows of tiles, side.
void GlobalViewOf(benchmark::State& state) {
  const auto columns = static_cast<int32_t>(state.range(0)), rows = static_cast<int32_t>(state.range(1)), side = static_cast<int32_t>(state.range(2));
  const Tiling tiling{.rows = rows, .columns = columns, .side = side, .content = {columns * side, rows * side}};
  const at::Tensor views = at::zeros({1 + tiling.tiles(), 3, side, side});
  for (auto _ : state) {
    GlobalView view(tiling, views);
    for (int64_t y = 0; y < rows * side; ++y) view.AddLine(y);
  }
}

BENCHMARK_CAPTURE(MakeTilesOf, 4khd, k4khd)->Args({1920, 1080, 25})->Args({1080, 1920, 25})->Args({640, 480, 9})->Args({3840, 2160, 55})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(MakeTilesOf, 2d5, k2d5)->Args({1920, 1080, 24})->Args({1080, 1920, 24})->Args({640, 480, 6})->Unit(benchmark::kMillisecond);
BENCHMARK(Squash)->Args({1920, 1080, 490})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Resize, wide, false)->Args({1920, 1080, 2016, 1134})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Resize, tall, true)->Args({1080, 1920, 1134, 2016})->Unit(benchmark::kMillisecond);
BENCHMARK(Normalize)->Args({2016, 1344})->Unit(benchmark::kMillisecond);
BENCHMARK(GlobalViewOf)->Args({6, 4, 336})->Args({2, 2, 560})->Args({4, 3, 560})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace triptych::vision

int main(int argc, char** argv) {
  at::set_num_threads(1);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
