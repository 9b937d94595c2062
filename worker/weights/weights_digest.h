#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "common/status.h"

namespace triptych::weights {

using WeightsDigest = std::array<uint8_t, 16>;

// XXH3-128 over all weight files of a checkpoint folder, in name order, each with its name and size
// in front. Reads every byte.
StatusOr<WeightsDigest> DigestWeights(const std::string& dir);

}  // namespace triptych::weights
