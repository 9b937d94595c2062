#pragma once

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

namespace triptych::model::layers {

enum class RotaryScaling { kNone, kLinear, kDynamic, kLlama3 };

struct RotaryConfig {
  int64_t head_dim = 0;
  double theta = 10000;
  RotaryScaling scaling = RotaryScaling::kNone;
  double factor = 1;
  int64_t trained_tokens = 0;  // dynamic scaling begins beyond them
  // Llama 3: wavelengths of more than trained_tokens / low_freq_factor are slowed by the factor,
  // those of less than trained_tokens / high_freq_factor stay, and between the two lies a ramp.
  double low_freq_factor = 1;
  double high_freq_factor = 4;
};

// A row's place: its position, and the length of the prompt that its sequence began with.
struct RotaryRow {
  int32_t position = 0;
  int32_t prompt_tokens = 0;
};

struct RotaryTables {
  at::Tensor cos, sin;  // [n, head_dim / 2] float32
};

// The base of a row's frequencies. With dynamic scaling it hangs on a length: of the whole prompt
// for the prompt's rows, of the sequence up to itself for an output row. So chunked prefill, cache
// hits and resumed streams rotate as an undisturbed run does.
double RotaryBase(const RotaryConfig& config, const RotaryRow& row);

RotaryTables MakeRotaryTables(const RotaryConfig& config,
                              std::span<const RotaryRow> rows,
                              at::Device device);

}  // namespace triptych::model::layers
