#pragma once

#include <compare>
#include <map>
#include <string>

#include "common/clock.h"
#include "triptych/internal/v1/cluster.pb.h"

namespace triptych::coordinator {

// Follows the load that workers report, learns what they can do, and says how large each pool
// should be. A pool is the workers of one role that serve one model. What is missing or stale never
// makes a number smaller: a pool without a ready worker keeps its last number, one with a suspect
// worker does not sink below it, and for `settle` after the start, until all workers have joined
// again, there is none. One thread.
class ScaleSignals {
 public:
  struct Pool {
    internal::v1::WorkerRole role;
    std::string model;
    auto operator<=>(const Pool&) const = default;
  };
  struct Signal {
    double desired_replicas = 0;  // workers that the pool's work is worth
    double desired_ratio = 0;     // that over its ready workers; 1: it is full
  };

  ScaleSignals(TimePoint start, Duration settle)
      : settled_at_(start + settle), observed_at_(start) {}

  // Takes a full view, as it is at `now`. Called a few times a second.
  void Observe(const internal::v1::ClusterUpdate& view, TimePoint now);
  const std::map<Pool, Signal>& signals() const { return signals_; }

 private:
  struct History {
    double busy_share = 0;              // encoders; smoothed
    double full_tokens_per_second = 0;  // decoders: output while full; smoothed, 0 before it was
    TimePoint seen;
  };
  void Learn(const internal::v1::Worker& worker, History& history, Duration passed) const;
  void Publish(const internal::v1::ClusterUpdate& view, const Pool& pool);
  double AdmittedShare(const std::string& model) const;

  const TimePoint settled_at_;
  TimePoint observed_at_;
  std::map<uint64_t, History> histories_;  // by incarnation
  std::map<Pool, Signal> signals_;
};

}  // namespace triptych::coordinator
