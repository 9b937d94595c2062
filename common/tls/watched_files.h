#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"

namespace triptych {

// Tells when files that are read once may say something else: replaced, rewritten, or another behind
// a symbolic link. One thread at a time.
class WatchedFiles {
 public:
  // What the files are at this moment is what they are read as: construct before reading them.
  explicit WatchedFiles(std::vector<std::string> paths, Duration pause = std::chrono::seconds(1));
  // Whether one has changed since this last gave true. Looks at most once in `pause`.
  bool Changed(TimePoint now);

 private:
  using Stamp = std::array<int64_t, 5>;  // device, inode, size, seconds, nanoseconds; zeros: absent
  std::vector<Stamp> Look() const;

  const std::vector<std::string> paths_;
  const Duration pause_;
  std::vector<Stamp> stamps_;
  TimePoint looked_at_{};
};

}  // namespace triptych
