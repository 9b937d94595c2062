#pragma once

#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/status.h"

namespace triptych::comm {

// Where the ranks of one forming of a shard group find each other: small values by key. Thread-safe. In production the
// coordinator holds them; LocalRendezvous serves ranks of one process and tests.
class Rendezvous {
 public:
  virtual ~Rendezvous() = default;
  virtual Status Put(std::string_view key, std::string value) = 0;
  virtual StatusOr<std::string> Get(std::string_view key, TimePoint deadline) = 0;  // waits; kDeadlineExceeded
};

}  // namespace triptych::comm
