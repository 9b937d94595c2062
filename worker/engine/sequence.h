#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "worker/engine/beam_search.h"
#include "worker/engine/prefix_cache.h"
#include "worker/engine/request.h"
#include "worker/engine/step_plan.h"

namespace triptych::engine {

// One sequence of a request: its tokens, how many of them have keys and values, and the blocks those lie in. Owned by its RequestState.
struct Sequence {
  SequenceId id = 0;
  int32_t index = 0;              // within its request; of a beam: its place among the beams
  std::vector<TokenId> output;
  int32_t computed = 0;           // tokens whose keys and values are in blocks
  std::vector<BlockId> blocks;
  PrefixCache::Cursor cursor;     // how many of its blocks are in the prefix cache
  bool running = false;           // holds a place among the running
  bool finished = false;
  std::vector<ScoredToken> scores;  // score_only
};

// A request in the engine. Engine thread only.
struct RequestState {
  std::unique_ptr<Request> request;
  std::shared_ptr<RequestSink> sink;
  std::vector<std::unique_ptr<Sequence>> sequences;   // with beams: the live beams
  std::optional<BeamSearch> beams;
  std::vector<std::vector<TokenLogprob>> beam_candidates;  // of the step under way, by beam
  std::string salt;               // of its prefix-cache chains
  TimePoint arrived;
  TimePoint order;                // arrival, later for lower priorities: who goes first
  std::optional<TimePoint> planned_first, prompt_done, blocked_since;
  Duration blocked{};             // waiting for image rows
  int32_t cached_tokens = 0;
  bool admitted = false;          // OnAdmitted was called

  int32_t prompt_tokens() const { return static_cast<int32_t>(request->prompt.size()); }
  int32_t total_tokens(const Sequence& s) const { return prompt_tokens() + static_cast<int32_t>(s.output.size()); }
  TokenId token(const Sequence& s, int32_t position) const {
    return position < prompt_tokens() ? request->prompt[position] : s.output[position - prompt_tokens()];
  }
  bool prompt_computed() const { return prompt_done.has_value(); }
};

}  // namespace triptych::engine
