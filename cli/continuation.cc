#include "cli/continuation.h"

#include "common/rpc/connect_failure.h"
#include "common/status_reason.h"

namespace triptych::cli {

bool Continuation::Note(const v1::GenerateEvent& event) {
  if (event.has_started()) {
    if (started_) return false;
    started_ = true;
    request_.mutable_sampling()->set_seed(event.started().seed());
  } else if (event.has_delta()) {
    v1::Received& received = received_[event.delta().sequence()];
    received.mutable_token_ids()->MergeFrom(event.delta().token_ids());
  } else if (event.has_finished()) {
    received_[event.finished().sequence()].set_finished(true);
  }
  return true;
}

v1::GenerateRequest Continuation::Request() const {
  v1::GenerateRequest request = request_;
  for (const auto& [sequence, received] : received_) {
    v1::Received& resumed = *request.add_resume();
    resumed = received;
    resumed.set_sequence(sequence);
  }
  return request;
}

bool Continuation::MayGoOn(const Status& status) {
  const std::string reason = ReasonOf(status);
  if (status.code() != StatusCode::kUnavailable || !(reason.empty() || reason == "DRAINING")) return false;
  reached_ = reached_ || !IsConnectFailure(status);
  return reached_;
}

}  // namespace triptych::cli
