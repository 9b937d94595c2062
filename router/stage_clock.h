#pragma once

#include <optional>

#include "common/clock.h"
#include "triptych/internal/v1/decoder.pb.h"
#include "triptych/internal/v1/encoder.pb.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// Where one request's time goes, over all the workers that it visits. Makes Timings whose stages sum to the total exactly: what
// overlaps is counted in the later stage, and what no stage accounts for is relay. Used on one request's strand.
class StageClock {
 public:
  explicit StageClock(TimePoint accepted) : accepted_(accepted), waiting_since_(accepted) {}

  void AttemptStarted(TimePoint now);  // a decoder has the request
  void TokenSeen(TimePoint now);
  void AttemptEnded(TimePoint now);    // the decoder is lost: the request waits in the router again
  void Encoded(const internal::v1::EncodeResponse& response);  // of several pictures the slowest counts

  // `engine`: what the last decoder says of a sequence; without it, what the router saw.
  v1::Timings At(TimePoint now, const internal::v1::EngineTimings* engine, int migrations) const;

  TimePoint accepted() const { return accepted_; }

 private:
  struct Engine {
    Duration transfer{}, queue{}, prefill{}, decode{};
  };
  Engine Observed(TimePoint now) const;

  const TimePoint accepted_;
  TimePoint waiting_since_;
  std::optional<TimePoint> attempt_started_;
  std::optional<TimePoint> first_token_;
  Duration waited_{};  // in the router
  Engine lost_;        // spent on decoders that were lost
  Duration media_{}, encode_queue_{}, encode_{};
};

}  // namespace triptych::router
