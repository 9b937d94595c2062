#include <algorithm>

#include "router/policies/routing_policy.h"

namespace triptych::router {
namespace {

// Among candidates of equal cost the ordinal chooses, so that equal decoders share what comes.
template <typename Cost>
std::optional<size_t> Cheapest(uint64_t ordinal, std::span<const DecoderCandidate> candidates, Cost cost) {
  if (candidates.empty()) return std::nullopt;
  const size_t offset = ordinal % candidates.size();
  size_t best = offset;
  for (size_t i = 1; i < candidates.size(); ++i) {
    const size_t at = (offset + i) % candidates.size();
    if (cost(candidates[at]) < cost(candidates[best])) best = at;
  }
  return best;
}

// A running sequence delays others about as much as so many prompt tokens; one that cannot run yet much more.
int64_t LoadOf(const DecoderCandidate& candidate) {
  constexpr int64_t kSequenceTokens = 32;
  constexpr int64_t kWaitingTokens = 512;
  const int64_t waiting = std::max(0, candidate.sequences + 1 - candidate.max_sequences);
  return candidate.queued_tokens + kSequenceTokens * candidate.sequences + kWaitingTokens * waiting;
}

// The decoder where the request's first token costs least: what is not cached, behind what is queued.
class PrefixAffinity final : public RoutingPolicy {
 public:
  std::optional<size_t> Pick(const RequestTraits& traits, std::span<const DecoderCandidate> candidates) const override {
    return Cheapest(traits.ordinal, candidates, [&](const DecoderCandidate& candidate) {
      return traits.prompt_tokens - candidate.cached_tokens + LoadOf(candidate);
    });
  }
};

class LeastLoaded final : public RoutingPolicy {
 public:
  std::optional<size_t> Pick(const RequestTraits& traits, std::span<const DecoderCandidate> candidates) const override {
    return Cheapest(traits.ordinal, candidates, LoadOf);
  }
};

class RoundRobin final : public RoutingPolicy {
 public:
  std::optional<size_t> Pick(const RequestTraits& traits, std::span<const DecoderCandidate> candidates) const override {
    return Cheapest(traits.ordinal, candidates, [](const DecoderCandidate&) { return 0; });
  }
};

}  // namespace

StatusOr<std::unique_ptr<RoutingPolicy>> MakePolicy(const std::string& name) {
  if (name == "prefix_affinity") return std::make_unique<PrefixAffinity>();
  if (name == "least_loaded") return std::make_unique<LeastLoaded>();
  if (name == "round_robin") return std::make_unique<RoundRobin>();
  return InvalidArgument("policy: '{}' is not one of prefix_affinity, least_loaded, round_robin", name);
}

}  // namespace triptych::router
