#pragma once

#include "common/clock.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// Where an article's time goes: the timings of the calls that it waited for, one after another, and
// its searches. The stages sum to the total: what nothing accounts for is relay. Used on the
// article's strand.
class ArticleClock {
 public:
  explicit ArticleClock(TimePoint arrived) : arrived_(arrived) {}

  void Waited(const v1::Timings& call);  // of calls in parallel, the longest
  void Searched(Duration duration) { searching_ += duration; }
  v1::Timings At(TimePoint now) const;

  TimePoint arrived() const { return arrived_; }

 private:
  const TimePoint arrived_;
  Duration searching_{};
  v1::Timings sum_;
};

}  // namespace triptych::router
