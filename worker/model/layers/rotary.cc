#include "worker/model/layers/rotary.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/ops/empty.h>

namespace triptych::model::layers {
namespace {

// In float32, as the reference computes them.
std::vector<float> InverseFrequencies(double base, int64_t head_dim) {
  std::vector<float> frequencies(static_cast<size_t>(head_dim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    frequencies[i] = 1.0f / std::pow(static_cast<float>(base), exponent);
  }
  return frequencies;
}

}  // namespace

double RotaryBase(const RotaryConfig& config, const RotaryRow& row) {
  const int64_t length = std::max<int64_t>(row.prompt_tokens, int64_t{row.position} + 1);
  if (config.scaling != RotaryScaling::kDynamic || length <= config.trained_tokens) {
    return config.theta;
  }
  const double stretch =
      config.factor * static_cast<double>(length) / static_cast<double>(config.trained_tokens) -
      (config.factor - 1);
  const double dim = static_cast<double>(config.head_dim);
  return config.theta * std::pow(stretch, dim / (dim - 2));
}

RotaryTables MakeRotaryTables(const RotaryConfig& config,
                              std::span<const RotaryRow> rows,
                              at::Device device) {
  const int64_t half = config.head_dim / 2;
  const int64_t n = static_cast<int64_t>(rows.size());
  RotaryTables tables{at::empty({n, half}, at::kFloat), at::empty({n, half}, at::kFloat)};
  float* cos = tables.cos.mutable_data_ptr<float>();
  float* sin = tables.sin.mutable_data_ptr<float>();
  double base = 0;
  std::vector<float> frequencies;
  for (const RotaryRow& row : rows) {
    if (const double wanted = RotaryBase(config, row); wanted != base) {
      base = wanted;
      frequencies = InverseFrequencies(base, config.head_dim);
    }
    float position = static_cast<float>(row.position);
    if (config.scaling == RotaryScaling::kLinear) position /= static_cast<float>(config.factor);
    for (const float frequency : frequencies) {
      *cos++ = std::cos(position * frequency);
      *sin++ = std::sin(position * frequency);
    }
  }
  return {tables.cos.to(device), tables.sin.to(device)};
}

}  // namespace triptych::model::layers
