#include "router/compose/article_clock.h"

#include <algorithm>

#include "common/rpc/proto_duration.h"

namespace triptych::router {
namespace {

void Add(const google::protobuf::Duration& more, google::protobuf::Duration* sum) {
  *sum = ToProto(FromProto(*sum) + FromProto(more));
}

}  // namespace

void ArticleClock::Waited(const v1::Timings& call) {
  Add(call.total(), sum_.mutable_total());
  Add(call.admission(), sum_.mutable_admission());
  Add(call.media(), sum_.mutable_media());
  Add(call.encode_queue(), sum_.mutable_encode_queue());
  Add(call.encode(), sum_.mutable_encode());
  Add(call.transfer(), sum_.mutable_transfer());
  Add(call.decode_queue(), sum_.mutable_decode_queue());
  Add(call.prefill(), sum_.mutable_prefill());
  Add(call.decode(), sum_.mutable_decode());
  Add(call.relay(), sum_.mutable_relay());
  sum_.set_migrations(sum_.migrations() + call.migrations());
}

v1::Timings ArticleClock::At(TimePoint now) const {
  v1::Timings timings = sum_;
  const Duration total = now - arrived_;
  const Duration rest = total - FromProto(sum_.total()) - searching_;
  Add(ToProto(searching_), timings.mutable_media());
  Add(ToProto(std::max(rest, Duration::zero())), timings.mutable_relay());
  *timings.mutable_total() = ToProto(total);
  return timings;
}

}  // namespace triptych::router
