#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "common/status.h"
#include "worker/weights/checkpoint_files.h"

namespace triptych::weights {

using WeightsDigest = std::array<uint8_t, 16>;

// XXH3-128 over all weight files of a checkpoint folder, in name order, each with its name and size
// in front. Reads every byte. Which files those are, FindCheckpointFiles says.
StatusOr<WeightsDigest> DigestWeights(const std::string& dir,
                                      CheckpointFormat format = CheckpointFormat::kAny);
// What stands for the digest of dummy weights: they hang on config.json alone.
StatusOr<WeightsDigest> DigestDummyWeights(const std::string& dir);

}  // namespace triptych::weights
