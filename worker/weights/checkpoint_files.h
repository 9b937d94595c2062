#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "common/string_map.h"

namespace triptych::weights {

// kAny: whichever a folder holds, safetensors first.
enum class CheckpointFormat { kAny, kSafetensors, kTorch };

// Which files of a folder hold the weights.
struct CheckpointFiles {
  CheckpointFormat format = CheckpointFormat::kSafetensors;  // not kAny
  std::vector<std::string> paths;                            // sorted by name
  StringMap<std::string>
      weight_map;  // tensor name -> path, from the index; empty when one file holds all
};

// The first of these that is there: model.safetensors or its .index.json, gptq_model-*.safetensors,
// pytorch_model.bin or its .index.json, gptq_model-*.bin; of one format, if one is wanted.
// kFailedPrecondition says what was looked for, and what an index has wrong.
StatusOr<CheckpointFiles> FindCheckpointFiles(const std::string& dir,
                                              CheckpointFormat format = CheckpointFormat::kAny);

}  // namespace triptych::weights
