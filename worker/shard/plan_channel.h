#pragma once

#include <cstdint>
#include <string>

#include "common/status.h"

namespace triptych::shard {

// Brings plans to one follower process, in order. Engine thread; never blocks: a follower that does
// not keep up is an error, as a dead one is.
class PlanChannel {
 public:
  virtual ~PlanChannel() = default;
  virtual Status Send(uint64_t step, const std::string& plan) = 0;
};

}  // namespace triptych::shard
