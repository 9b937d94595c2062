#pragma once

#include <map>

#include "common/status.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::cli {

// What has come of one Generate call, so that another call can go on from there, at any router. One thread.
class Continuation {
 public:
  explicit Continuation(v1::GenerateRequest request) : request_(std::move(request)) {}

  // Takes an event of the call, or of one that went on. False for what the first call has said already.
  bool Note(const v1::GenerateEvent& event);
  // For the next call: the tokens that have come, and the seed that the first router drew.
  v1::GenerateRequest Request() const;
  // Whether a call that ended so may be followed by another: its connection broke, or the router takes nothing new (reason DRAINING). That
  // no router can be reached is an error only where none ever was.
  bool MayGoOn(const Status& status);

 private:
  v1::GenerateRequest request_;
  std::map<uint32_t, v1::Received> received_;  // by sequence
  bool started_ = false;
  bool reached_ = false;  // a router
};

}  // namespace triptych::cli
