// How long a linear layer takes by how its weights are kept, for one row (a decode step) up to a
// chunk of a prompt. One thread.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <benchmark/benchmark.h>

#include "worker/kernels/linear.h"
#include "worker/kernels/quantized_linear.h"

namespace triptych::kernels {
namespace {

// The feed-forward network of a model of seven billion weights.
constexpr int64_t kIn = 4096, kOut = 14336;

const at::Tensor& Weight() {
  static const at::Tensor weight = at::randn({kOut, kIn}) * 0.02;
  return weight;
}

template <typename Linear>
void Run(benchmark::State& state, const Linear& linear) {
  const at::Tensor x = at::randn({state.range(0), kIn});
  for (auto _ : state) benchmark::DoNotOptimize(linear.Forward(x));
  state.counters["bytes"] = static_cast<double>(linear.bytes());
  const auto products = static_cast<double>(state.range(0) * kIn * kOut);
  state.counters["products"] =
      benchmark::Counter(products, benchmark::Counter::kIsIterationInvariantRate);
}

void Bfloat16(benchmark::State& state) {
  Run(state, PackedLinear::Pack(Weight().to(at::kBFloat16), std::nullopt, at::kCPU));
}

// Argument behind the rows: bits.
void Quantized(benchmark::State& state) {
  const QuantizedMatrix matrix = RoundToNearest(Weight(), static_cast<int>(state.range(1)), 64);
  Run(state, QuantizedLinear::Pack(matrix, std::nullopt, at::kCPU));
}

void Round(benchmark::State& state) {
  const auto bits = static_cast<int>(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(RoundToNearest(Weight(), bits, 64));
}

BENCHMARK(Bfloat16)->Arg(1)->Arg(4)->Arg(16)->Arg(64)->Unit(benchmark::kMillisecond);
BENCHMARK(Quantized)->ArgsProduct({{1, 4, 16, 64}, {8, 4}})->Unit(benchmark::kMillisecond);
BENCHMARK(Round)->Arg(4)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace triptych::kernels

int main(int argc, char** argv) {
  at::set_num_threads(1);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
