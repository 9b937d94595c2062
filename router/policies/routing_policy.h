#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"

namespace triptych::router {

// What a policy may know of a request.
struct RequestTraits {
  int32_t prompt_tokens = 0;
  uint64_t ordinal = 0;  // counts the router's picks
};

// One decoder that could take it.
struct DecoderCandidate {
  int32_t cached_tokens = 0;   // of the prompt, believed to be in its prefix cache
  int64_t queued_tokens = 0;   // prompt tokens that it still has to compute
  int32_t sequences = 0;       // running and waiting
  int32_t max_sequences = 1;   // that it runs at once
};

// Which decoder gets a request. Stateless: same traits and candidates, same choice. Thread-safe.
class RoutingPolicy {
 public:
  virtual ~RoutingPolicy() = default;
  virtual std::optional<size_t> Pick(const RequestTraits& traits, std::span<const DecoderCandidate> candidates) const = 0;
};

// By name; kInvalidArgument names those that there are.
StatusOr<std::unique_ptr<RoutingPolicy>> MakePolicy(const std::string& name);

}  // namespace triptych::router
