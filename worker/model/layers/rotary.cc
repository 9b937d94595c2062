#include "worker/model/layers/rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include <ATen/ops/empty.h>

namespace triptych::model::layers {
namespace {

// In float32, as the reference computes them.
float SlowForLlama3(const RotaryConfig& config, float frequency) {
  const float wavelength = 2 * std::numbers::pi_v<float> / frequency;
  const auto trained = static_cast<float>(config.trained_tokens);
  const auto low = static_cast<float>(config.low_freq_factor);
  const auto high = static_cast<float>(config.high_freq_factor);
  const auto factor = static_cast<float>(config.factor);
  if (wavelength < trained / high) return frequency;
  if (wavelength > trained / low) return frequency / factor;
  const float ramp = (trained / wavelength - low) / (high - low);
  return (1 - ramp) * frequency / factor + ramp * frequency;
}

std::vector<float> InverseFrequencies(const RotaryConfig& config, double base) {
  std::vector<float> frequencies(static_cast<size_t>(config.head_dim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(config.head_dim);
    frequencies[i] = 1.0f / std::pow(static_cast<float>(base), exponent);
    if (config.scaling == RotaryScaling::kLlama3) {
      frequencies[i] = SlowForLlama3(config, frequencies[i]);
    }
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
      frequencies = InverseFrequencies(config, base);
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
