#pragma once

#include <cstdint>

#include "common/limits.h"
#include "common/status.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// Bounds on numbers of a request that operators have no reason to move.
inline constexpr float kMinTemperature = 0.01f;  // below it, and not 0, logits would overflow
inline constexpr float kMaxTemperature = 100.0f;
inline constexpr float kMaxPenalty = 100.0f;
inline constexpr float kMaxLogitBias = 100.0f;
inline constexpr float kMaxLengthPenalty = 10.0f;

// Checks every number of `sampling` and what contradicts what. The result has n and num_beams of at least 1, and a top_k beyond
// the vocabulary as 0 (all); every other field, the seed included, is as it was given.
StatusOr<v1::Sampling> CheckSampling(const v1::Sampling& sampling,
                                     int32_t vocab_size,
                                     const RequestLimits& limits);

}  // namespace triptych::router
