#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "common/string_map.h"

namespace triptych::weights {

// Which files of a folder hold the weights.
struct CheckpointFiles {
  std::vector<std::string> paths;  // sorted by name
  StringMap<std::string>
      weight_map;  // tensor name -> path, from the index; empty when one file holds all
};

// kFailedPrecondition says what was looked for, and what an index has wrong.
StatusOr<CheckpointFiles> FindCheckpointFiles(const std::string& dir);

}  // namespace triptych::weights
