#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/status.h"

namespace triptych::quantization {

// Where the whole numbers come from that a linear layer's weights are.
enum class Method {
  kNone,   // there are none: weights stay in floating point
  kGptq,   // stored, in GPTQ's layout
  kAwq,    // stored, in AWQ's layout
  kRound,  // made when the weights are read: round to nearest
};

// How the weights of a decoder's linear layers are quantised.
struct Scheme {
  Method method = Method::kNone;
  int bits = 0;                // 4 or 8
  int64_t group_size = 0;      // neighbouring inputs that share a scale; 0: all of them
  bool zeros_less_one = true;  // GPTQ: stored zeros are less by one than those that count

  bool is_stored() const { return method == Method::kGptq || method == Method::kAwq; }
  // Inputs of each group, of `in` in all.
  int64_t InputsPerGroup(int64_t in) const { return group_size == 0 ? in : group_size; }
  int64_t NumGroups(int64_t in) const {
    return (in + InputsPerGroup(in) - 1) / InputsPerGroup(in);
  }
  std::string ToString() const;  // "gptq, 4 bits, groups of 128"
};

// What `weights` of a worker's configuration says: stored, int8 or int4. kFailedPrecondition lists
// these. Groups made here have kRoundGroup inputs.
inline constexpr int64_t kRoundGroup = 64;
StatusOr<Scheme> ParseWeights(std::string_view weights);

// What a checkpoint says of itself: "quantization_config" in config.json, else AutoGPTQ's file
// quantize_config.json beside it, else nothing. kFailedPrecondition names file, key, what was found
// and what is allowed.
StatusOr<Scheme> ReadScheme(const std::string& model_dir);

// The checkpoint's own scheme, or `wanted` (nothing, or kRound) where it has none;
// kFailedPrecondition where there are two.
StatusOr<Scheme> ChooseScheme(const std::string& model_dir, const Scheme& wanted);

}  // namespace triptych::quantization
