// What of the scheduler reads a step's results.
#include <algorithm>

#include "common/check.h"
#include "worker/engine/choices.h"
#include "worker/engine/scheduler.h"

namespace triptych::engine {

void Scheduler::Commit(const StepPlan& plan, const StepResult& result, TimePoint now) {
  TRIPTYCH_CHECK(result.step == plan.step && result.sequences.size() == plan.sequences.size());
  for (size_t i = 0; i < plan.sequences.size(); ++i) {
    const auto found = by_sequence_.find(plan.sequences[i].id);
    if (found == by_sequence_.end()) continue;  // its request has just failed
    RequestState& request = *found->second.request;
    if (!result.sequences[i].error.empty()) {
      FailRequest(request.request->id, Internal("{}", result.sequences[i].error));
      continue;
    }
    CommitSequence(request, *found->second.sequence, plan.sequences[i], result.sequences[i], now);
  }
  // Beams advance together, once all of them have been computed.
  std::vector<RequestId> ready;
  for (const auto& [order, request] : requests_) {
    const auto has_candidates = [](const auto& list) { return !list.empty(); };
    if (request->beams && request->beam_candidates.size() == request->sequences.size() &&
        std::ranges::all_of(request->beam_candidates, has_candidates)) {
      ready.push_back(request->request->id);
    }
  }
  for (const RequestId id : ready) AdvanceBeams(*FindRequest(id), now);
  ++stats_->steps;
  UpdateGauges();
}

void Scheduler::CommitSequence(RequestState& request,
                               Sequence& sequence,
                               const SequenceStep& step,
                               const SequenceResult& result,
                               TimePoint now) {
  sequence.computed += static_cast<int32_t>(step.tokens.size());
  StoreBlocks(request, sequence);
  if (sequence.computed >= request.prompt_tokens() && !request.prompt_computed()) request.prompt_done = now;
  if (request.request->score_only) {
    sequence.scores.insert(sequence.scores.end(), result.scored.begin(), result.scored.end());
    if (sequence.computed == request.prompt_tokens()) FinishSequence(request, sequence, FinishReason::kStop, 0, now);
  } else if (request.beams) {
    if (step.logits != LogitsWanted::kLast) return;
    request.beam_candidates.resize(request.sequences.size());
    request.beam_candidates[sequence.index] = result.candidates;
  } else if (result.chosen) {
    AcceptToken(request, sequence, *result.chosen, now);
  }
}

// Blocks that are full now may be found by others, as long as every position in them rotates as a prompt's would.
void Scheduler::StoreBlocks(RequestState& request, Sequence& sequence) {
  if (!options_.prefix_cache) return;
  const int32_t trained = options_.rotary_trained_tokens;
  while ((sequence.cursor.blocks + 1) * kBlockTokens <= sequence.computed) {
    const int32_t begin = sequence.cursor.blocks * kBlockTokens, end = begin + kBlockTokens;
    if (trained > 0 && end > trained && end > request.prompt_tokens()) return;
    std::vector<TokenId> block;
    for (int32_t i = begin; i < end; ++i) block.push_back(request.token(sequence, i));
    cache_.Store(request.salt, block, request.request->images, sequence.blocks[sequence.cursor.blocks], &sequence.cursor);
  }
}

void Scheduler::AcceptToken(RequestState& request, Sequence& sequence, ScoredToken token, TimePoint now) {
  const Request& r = *request.request;
  const bool may_stop = std::cmp_greater_equal(sequence.output.size(), r.min_new_tokens) || !r.choices.empty();
  if (may_stop && std::ranges::find(r.stop_token_ids, token.id) != r.stop_token_ids.end()) {
    return FinishSequence(request, sequence, FinishReason::kStop, 0, now);
  }
  const auto offset = static_cast<int32_t>(sequence.output.size());
  sequence.output.push_back(token.id);
  ++stats_->output_tokens;
  std::vector<ScoredToken> tokens;
  tokens.push_back(std::move(token));
  request.sink->OnTokens(sequence.index, offset, std::move(tokens));
  if (!r.choices.empty()) {
    const ChoiceState state = FollowChoices(r.choices, sequence.output);
    if (state.complete && (state.next.empty() || r.stop_token_ids.empty())) {
      return FinishSequence(request, sequence, FinishReason::kStop, 0, now);
    }
  }
  if (std::cmp_equal(sequence.output.size(), r.max_new_tokens)) FinishSequence(request, sequence, FinishReason::kLength, 0, now);
}

void Scheduler::AdvanceBeams(RequestState& request, TimePoint now) {
  std::vector<std::vector<TokenId>> outputs;
  for (const auto& beam : request.sequences) outputs.push_back(beam->output);
  const auto candidates = std::exchange(request.beam_candidates, {});
  const std::vector<BeamSearch::Continuation> next = request.beams->Advance(outputs, candidates);
  if (request.beams->done()) return FinishBeams(request, /*stopped=*/true, now);
  ForkBeams(request, next);
  const bool full = std::cmp_equal(request.sequences.front()->output.size(), request.request->max_new_tokens);
  if (full) FinishBeams(request, /*stopped=*/false, now);
}

// New beams hold their parent's full blocks with it; a block that is only partly full is written by each of them, so all but one copy it.
void Scheduler::ForkBeams(RequestState& request, const std::vector<BeamSearch::Continuation>& beams) {
  std::vector<std::unique_ptr<Sequence>> parents = std::move(request.sequences);
  request.sequences.clear();
  std::vector<bool> tail_taken(parents.size(), false);
  for (const BeamSearch::Continuation& beam : beams) {
    const Sequence& parent = *parents[beam.parent];
    auto child = std::make_unique<Sequence>();
    child->id = next_sequence_++;
    child->index = static_cast<int32_t>(request.sequences.size());
    child->output = parent.output;
    child->output.push_back(beam.token);
    child->computed = parent.computed;
    child->cursor = parent.cursor;
    child->blocks = parent.blocks;
    child->running = true;
    ++num_running_;
    for (const BlockId id : child->blocks) pool_.Hold(id);
    const bool partial = parent.computed % kBlockTokens != 0;
    if (partial && tail_taken[beam.parent]) {
      const BlockId from = child->blocks.back();
      const std::optional<BlockId> to = pool_.Allocate();
      pool_.Release(from);
      child->blocks.pop_back();
      if (to) {
        child->blocks.push_back(*to);
        copies_.push_back({from, *to});
      } else {  // no room: the tail is computed again
        child->computed = parent.computed / kBlockTokens * kBlockTokens;
      }
    }
    tail_taken[beam.parent] = true;
    by_sequence_[child->id] = {&request, child.get()};
    request.sequences.push_back(std::move(child));
  }
  for (const auto& parent : parents) {
    ReleaseBlocks(*parent);
    by_sequence_.erase(parent->id);
  }
  stats_->output_tokens += beams.size();
}

void Scheduler::FinishBeams(RequestState& request, bool stopped, TimePoint now) {
  std::vector<std::vector<TokenId>> outputs;
  for (const auto& beam : request.sequences) outputs.push_back(beam->output);
  const auto best = request.beams->Finish(outputs, request.request->num_sequences);
  const RequestTimings timings = TimingsOf(request, now);
  for (size_t i = 0; i < best.size(); ++i) {
    std::vector<ScoredToken> tokens;
    for (const TokenId id : best[i].output) tokens.push_back({.id = id});
    const bool long_enough = std::cmp_equal(best[i].output.size(), request.request->max_new_tokens);
    const FinishReason reason = stopped || !long_enough ? FinishReason::kStop : FinishReason::kLength;
    const auto count = static_cast<int32_t>(tokens.size());
    if (!tokens.empty()) request.sink->OnTokens(static_cast<int32_t>(i), 0, std::move(tokens));
    request.sink->OnFinished(static_cast<int32_t>(i), reason, count, best[i].score, {}, timings);
  }
  ++stats_->completed;
  Remove(request.request->id);
}

void Scheduler::FinishSequence(RequestState& request, Sequence& sequence, FinishReason reason, double score, TimePoint now) {
  sequence.finished = true;
  request.sink->OnFinished(sequence.index, reason, static_cast<int32_t>(sequence.output.size()), score,
                           std::move(sequence.scores), TimingsOf(request, now));
  ReleaseBlocks(sequence);
  if (!std::ranges::all_of(request.sequences, [](const auto& s) { return s->finished; })) return;
  ++stats_->completed;
  Remove(request.request->id);
}

void Scheduler::StopSequence(RequestId id, int32_t index, TimePoint now) {
  RequestState* request = FindRequest(id);
  if (request == nullptr || request->beams) return;
  for (const auto& sequence : request->sequences) {
    if (sequence->index != index || sequence->finished) continue;
    return FinishSequence(*request, *sequence, FinishReason::kStop, 0, now);
  }
}

RequestTimings Scheduler::TimingsOf(const RequestState& request, TimePoint now) const {
  RequestTimings timings;
  const TimePoint planned = request.planned_first.value_or(now), done = request.prompt_done.value_or(now);
  timings.transfer = request.blocked;
  timings.queue = planned - request.arrived;
  timings.prefill = done - planned;
  timings.decode = now - done;
  // Waiting for rows overlaps the queue before the first step and the prefill after it: it is counted once, as transfer.
  const Duration in_queue = std::min(timings.queue, timings.transfer);
  timings.queue -= in_queue;
  timings.prefill -= std::min(timings.prefill, timings.transfer - in_queue);
  return timings;
}

}  // namespace triptych::engine
