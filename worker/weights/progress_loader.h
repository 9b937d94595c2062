#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/status.h"
#include "common/string_map.h"
#include "worker/weights/weight_loader.h"

namespace triptych::weights {

// All that a loader has, whole: no rank reads all of it.
struct WeightTotals {
  size_t tensors = 0;
  int64_t bytes = 0;
};
WeightTotals CountWeights(const WeightLoader& loader);

// Passes everything on to another loader, and tells how far one rank has come: a line at most every
// interval while tensors are read, and the sum at Finish(). Thread-safe.
class ProgressLoader final : public WeightLoader {
 public:
  struct Options {
    std::string who;  // begins each line: "rank 1 of 4"
    std::chrono::milliseconds interval{5000};
    std::function<void(const std::string& line)> log;
  };
  ProgressLoader(const WeightLoader* loader,
                 Options options,
                 const Clock* clock);  // these outlive it

  StatusOr<at::Tensor> Load(std::string_view name,
                            const std::vector<int64_t>& shape,
                            Slice slice) const override;
  StatusOr<at::Tensor> LoadIntegers(std::string_view name,
                                    const std::vector<int64_t>& shape,
                                    Slice slice) const override;
  bool Has(std::string_view name) const override { return loader_.Has(name); }
  StatusOr<std::vector<int64_t>> Shape(std::string_view name) const override {
    return loader_.Shape(name);
  }
  std::vector<std::string> Names() const override { return loader_.Names(); }
  int64_t StoredBytes(std::string_view name) const override { return loader_.StoredBytes(name); }

  // Logs what was read in all, and how fast.
  void Finish() const;

 private:
  StatusOr<at::Tensor> Count(std::string_view name, StatusOr<at::Tensor> read) const;

  const WeightLoader& loader_;
  const Options options_;
  const WeightTotals totals_;  // zeros where nothing is stored
  const Clock& clock_;
  const TimePoint begin_;
  mutable absl::Mutex mutex_;
  mutable StringSet names_ ABSL_GUARDED_BY(mutex_);
  mutable int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  mutable TimePoint last_line_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace triptych::weights
