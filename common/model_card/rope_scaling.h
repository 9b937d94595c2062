#pragma once

#include <cstdint>

#include "common/json/json_config.h"

namespace triptych {

// How rotary positions are stretched beyond the trained length.
struct RopeScaling {
  enum class Kind { kNone, kLinear, kDynamic, kLlama3 };
  Kind kind = Kind::kNone;
  double factor = 1;
  // Llama 3 alone: wavelengths beyond trained / low are slowed by the factor, those below trained / high stay, and between the two lies a ramp.
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  int32_t trained_tokens = 8192;
};

// config.json's "rope_scaling", or "rope_parameters" as newer checkpoints have it, which may hold rope_theta too. The kind is called "type" or
// "rope_type": linear, dynamic, llama3, or default for none. Problems stay in `json`.
void ReadRopeScaling(JsonConfig& json, RopeScaling* scaling, double* theta);

}  // namespace triptych
