#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "worker/comm/communicator.h"

namespace triptych::fakes {

// A tensor-parallel group for one test: runs a body on one thread for each rank, over the
// in-process communicator.
class RankCrew {
 public:
  explicit RankCrew(int size);

  int size() const { return static_cast<int>(communicators_.size()); }
  // Returns when every rank has; the first exception of a rank aborts the others and comes out
  // here.
  void Run(const std::function<void(comm::Communicator&)>& body);

 private:
  std::vector<std::unique_ptr<comm::Communicator>> communicators_;
};

}  // namespace triptych::fakes
