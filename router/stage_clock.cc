#include "router/stage_clock.h"

#include <algorithm>

#include "common/rpc/proto_duration.h"

namespace triptych::router {
namespace {

// Takes up to `wanted` of what is left of the total.
Duration Take(Duration wanted, Duration& left) {
  const Duration taken = std::clamp(wanted, Duration::zero(), left);
  left -= taken;
  return taken;
}

}  // namespace

void StageClock::AttemptStarted(TimePoint now) {
  waited_ += now - waiting_since_;
  attempt_started_ = now;
  first_token_.reset();
}

void StageClock::TokenSeen(TimePoint now) {
  if (!first_token_) first_token_ = now;
}

void StageClock::AttemptEnded(TimePoint now) {
  const Engine spent = Observed(now);
  lost_.prefill += spent.prefill;
  lost_.decode += spent.decode;
  attempt_started_.reset();
  first_token_.reset();
  waiting_since_ = now;
}

void StageClock::Encoded(const internal::v1::EncodeResponse& response) {
  const Duration media = FromProto(response.media());
  const Duration queue = FromProto(response.queue());
  const Duration encode = FromProto(response.encode());
  if (media + queue + encode <= media_ + encode_queue_ + encode_) return;
  media_ = media;
  encode_queue_ = queue;
  encode_ = encode;
}

StageClock::Engine StageClock::Observed(TimePoint now) const {
  Engine seen;
  if (!attempt_started_) return seen;
  seen.prefill = first_token_.value_or(now) - *attempt_started_;
  if (first_token_) seen.decode = now - *first_token_;
  // Without the engine's word the wait for a picture is taken to be as long as its encoding was.
  seen.transfer = std::min(media_ + encode_queue_ + encode_, seen.prefill);
  seen.prefill -= seen.transfer;
  return seen;
}

v1::Timings StageClock::At(TimePoint now,
                           const internal::v1::EngineTimings* engine,
                           int migrations) const {
  Engine spent = Observed(now);
  if (engine != nullptr) {
    spent = {FromProto(engine->transfer()),
             FromProto(engine->queue()),
             FromProto(engine->prefill()),
             FromProto(engine->decode())};
  }
  const Duration waited = waited_ + (attempt_started_ ? Duration::zero() : now - waiting_since_);
  Duration left = now - accepted_;
  v1::Timings timings;
  *timings.mutable_total() = ToProto(left);
  *timings.mutable_decode() = ToProto(Take(spent.decode + lost_.decode, left));
  *timings.mutable_prefill() = ToProto(Take(spent.prefill + lost_.prefill, left));
  *timings.mutable_decode_queue() = ToProto(Take(spent.queue, left));
  // The engine's wait for rows covers what of the encoding nothing else hid, seen from its end.
  Duration rows = Take(spent.transfer, left);
  *timings.mutable_encode() = ToProto(Take(encode_, rows));
  *timings.mutable_encode_queue() = ToProto(Take(encode_queue_, rows));
  *timings.mutable_media() = ToProto(Take(media_, rows));
  *timings.mutable_transfer() = ToProto(rows);
  *timings.mutable_admission() = ToProto(Take(waited, left));
  *timings.mutable_relay() = ToProto(left);
  timings.set_migrations(static_cast<uint32_t>(migrations));
  return timings;
}

}  // namespace triptych::router
