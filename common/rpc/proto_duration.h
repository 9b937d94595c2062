#pragma once

#include <chrono>

#include "common/clock.h"
#include "google/protobuf/duration.pb.h"

namespace triptych {

// Between our durations and google.protobuf.Duration, to the nanosecond.
inline google::protobuf::Duration ToProto(Duration duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  google::protobuf::Duration proto;
  proto.set_seconds(seconds.count());
  proto.set_nanos(static_cast<int32_t>(std::chrono::nanoseconds(duration - seconds).count()));
  return proto;
}

inline Duration FromProto(const google::protobuf::Duration& proto) {
  return std::chrono::duration_cast<Duration>(std::chrono::seconds(proto.seconds()) +
                                              std::chrono::nanoseconds(proto.nanos()));
}

}  // namespace triptych
