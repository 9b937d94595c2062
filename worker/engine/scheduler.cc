#include "worker/engine/scheduler.h"

#include <algorithm>

#include "common/check.h"
#include "worker/engine/choices.h"

namespace triptych::engine {
namespace {

// The part of a picture's rows that lies in positions [begin, end).
std::vector<EmbeddingRows> RowsBetween(const std::vector<KeyedSpan>& images, int32_t begin, int32_t end) {
  std::vector<EmbeddingRows> rows;
  for (const KeyedSpan& image : images) {
    const int32_t first = std::max(begin, image.start), last = std::min(end, image.start + image.rows);
    if (first < last) rows.push_back({first - begin, last - first, first - image.start, image.key});
  }
  return rows;
}

}  // namespace

// A request that must run alone takes turns with all the others; whoever cannot use its turn leaves it to the other side.
StepPlan Scheduler::PlanStep(TimePoint now) {
  StepPlan plan;
  plan.step = next_step_;
  plan.copies = std::exchange(copies_, {});
  std::vector<RequestState*> together, alone;
  for (const auto& [order, request] : requests_) {
    (request->request->alone ? alone : together).push_back(request.get());
  }
  bool alone_turn = !alone_had_turn_;
  for (int side = 0; side < 2 && plan.sequences.empty(); ++side, alone_turn = !alone_turn) {
    if (!alone_turn) PlanRequests(together, &plan, now);
    for (size_t i = 0; alone_turn && i < alone.size() && plan.sequences.empty(); ++i) PlanRequests({alone[i]}, &plan, now);
    if (!plan.sequences.empty()) alone_had_turn_ = alone_turn;
  }
  if (!plan.sequences.empty()) ++next_step_;
  UpdateGauges();
  return plan;
}

// Two rounds in the requests' order: sequences that need one token, so that running streams go on whatever else comes, then prefills in
// what is left of the budget.
void Scheduler::PlanRequests(const std::vector<RequestState*>& requests, StepPlan* plan, TimePoint now) {
  int32_t budget = options_.max_step_tokens;
  for (const bool prefill : {false, true}) {
    for (RequestState* request : requests) {
      for (const auto& sequence : request->sequences) {
        const bool needs_one = sequence->running && request->total_tokens(*sequence) - sequence->computed == 1;
        if (!sequence->finished && needs_one != prefill) PlanSequence(*request, *sequence, &budget, plan, now);
      }
    }
  }
}

// False when nothing of the sequence can be computed now.
bool Scheduler::PlanSequence(RequestState& request, Sequence& sequence, int32_t* budget, StepPlan* plan, TimePoint now) {
  const auto planned = [&](const SequenceStep& step) { return step.id == sequence.id; };
  if (*budget == 0 || std::ranges::any_of(plan->sequences, planned)) return false;
  if (!sequence.running && (!MayStart(request, sequence) || !Start(request, sequence))) return false;
  const int32_t total = request.total_tokens(sequence);
  if (sequence.computed == total) return false;  // a beam that waits for its siblings
  const int32_t wanted = std::min({total, sequence.computed + *budget, sequence.computed + options_.max_chunk_tokens});
  const int32_t end = LastComputable(request, sequence, wanted, now);
  if (end == sequence.computed) return false;
  while (!GrowBlocks(request, sequence, end)) {
    if (!PreemptOne(request)) return false;
    std::erase_if(plan->sequences, [&](const SequenceStep& step) { return !by_sequence_.at(step.id).sequence->running; });
    if (!sequence.running) return false;
  }
  plan->sequences.push_back(MakeStep(request, sequence, end));
  *budget = options_.max_step_tokens - plan->num_tokens();
  NotePlanned(request, sequence, now);
  return true;
}

// Sequences of one request share its prompt: those behind the first wait until it has been computed, and then find it in the prefix cache.
bool Scheduler::MayStart(const RequestState& request, const Sequence& sequence) const {
  if (num_running_ >= options_.max_sequences) return false;
  const bool first = &sequence == request.sequences.front().get();
  return first || request.prompt_computed() || request.sequences.front()->finished;
}

// Takes cached blocks and a place among the running. The last token is always computed: its logits are wanted.
bool Scheduler::Start(RequestState& request, Sequence& sequence) {
  const int32_t total = request.total_tokens(sequence);
  if (options_.prefix_cache && !request.request->score_only) {
    std::vector<TokenId> ids = request.request->prompt;
    ids.insert(ids.end(), sequence.output.begin(), sequence.output.end());
    sequence.blocks = cache_.Match(request.salt, ids, request.request->images, total - 1, &sequence.cursor);
    sequence.computed = static_cast<int32_t>(sequence.blocks.size()) * kBlockTokens;
  }
  const int32_t chunk = std::min({total - sequence.computed, options_.max_chunk_tokens, options_.max_step_tokens});
  const int32_t blocks = (sequence.computed + chunk + kBlockTokens - 1) / kBlockTokens;
  if (blocks - static_cast<int32_t>(sequence.blocks.size()) > pool_.num_available()) {
    ReleaseBlocks(sequence);
    return false;
  }
  sequence.running = true;
  ++num_running_;
  if (!request.admitted) {
    request.admitted = true;
    request.cached_tokens = std::min(sequence.computed, request.prompt_tokens());
    stats_->prefix_hit_tokens += request.cached_tokens;
    request.sink->OnAdmitted(request.cached_tokens);
  }
  return true;
}

// Up to the first image row that is not here yet.
int32_t Scheduler::LastComputable(RequestState& request, const Sequence& sequence, int32_t wanted_end, TimePoint now) {
  int32_t end = wanted_end;
  for (const KeyedSpan& image : request.request->images) {
    const int32_t there = embedding_rows_.at(image.key);
    if (there < image.rows && image.start + there < end && image.start + image.rows > sequence.computed) {
      end = std::max(image.start + there, sequence.computed);
      break;
    }
  }
  if (end == sequence.computed) {
    if (!request.blocked_since) request.blocked_since = now;
  } else if (request.blocked_since) {
    request.blocked += now - *request.blocked_since;
    request.blocked_since.reset();
  }
  return end;
}

bool Scheduler::GrowBlocks(RequestState& request, Sequence& sequence, int32_t tokens) {
  if (!sequence.running) return false;
  TRIPTYCH_CHECK(tokens <= request.total_tokens(sequence));
  while (static_cast<int32_t>(sequence.blocks.size()) * kBlockTokens < tokens) {
    const std::optional<BlockId> id = pool_.Allocate();
    if (!id) return false;
    sequence.blocks.push_back(*id);
  }
  return true;
}

// Takes the blocks of the last request in the order that has any. The first request is never preempted by another, so it always goes on.
bool Scheduler::PreemptOne(const RequestState& for_request) {
  for (auto entry = requests_.rbegin(); entry != requests_.rend(); ++entry) {
    RequestState& victim = *entry->second;
    const bool holds = std::ranges::any_of(victim.sequences, [](const auto& s) { return !s->blocks.empty(); });
    if (!holds) continue;
    if (&victim != &for_request || victim.sequences.size() == 1) {
      Preempt(victim);
      return true;
    }
    // Its own siblings are in the way: the last of them yields.
    for (auto sequence = victim.sequences.rbegin(); sequence != victim.sequences.rend(); ++sequence) {
      if (victim.beams || (*sequence)->blocks.empty()) continue;
      ReleaseBlocks(**sequence);
      ++stats_->preemptions;
      return true;
    }
    Preempt(victim);
    return true;
  }
  return false;
}

// What was computed is dropped, and computed again later.
void Scheduler::Preempt(RequestState& request) {
  for (const auto& sequence : request.sequences) ReleaseBlocks(*sequence);
  ++stats_->preemptions;
}

SequenceStep Scheduler::MakeStep(const RequestState& request, const Sequence& sequence, int32_t end) const {
  SequenceStep step;
  step.id = sequence.id;
  step.first_position = sequence.computed;
  for (int32_t i = sequence.computed; i < end; ++i) step.tokens.push_back(request.token(sequence, i));
  step.images = RowsBetween(request.request->images, sequence.computed, end);
  step.blocks.assign(sequence.blocks.begin(), sequence.blocks.begin() + (end + kBlockTokens - 1) / kBlockTokens);
  step.prompt_tokens = request.prompt_tokens();
  step.adapter = request.request->adapter;
  const int32_t total = request.total_tokens(sequence);
  if (request.request->score_only) {
    step.logits = LogitsWanted::kAll;
    step.top_logprobs = request.request->sampling->top_logprobs;
    for (int32_t i = sequence.computed + 1; i <= end; ++i) step.targets.push_back(i < total ? request.token(sequence, i) : kImageRow);
  } else if (end == total) {
    step.logits = LogitsWanted::kLast;
    step.sample = MakeSample(request, sequence);
  } else {
    step.logits = LogitsWanted::kNone;
  }
  return step;
}

SampleRequest Scheduler::MakeSample(const RequestState& request, const Sequence& sequence) const {
  const Request& r = *request.request;
  SampleRequest sample;
  sample.params = r.sampling;
  sample.sequence = static_cast<uint32_t>(sequence.index);
  sample.output_index = static_cast<uint32_t>(sequence.output.size());
  if (r.sampling->UsesPenalties()) {
    if (r.penalty_sees_prompt) {
      std::ranges::copy_if(r.prompt, std::back_inserter(sample.penalized), [](TokenId id) { return id != kImageRow; });
    } else if (r.bos >= 0) {
      sample.penalized.push_back(r.bos);
    }
    sample.penalized.insert(sample.penalized.end(), sequence.output.begin(), sequence.output.end());
    sample.output = sequence.output;
  }
  if (std::cmp_less(sequence.output.size(), r.min_new_tokens)) sample.banned = r.stop_token_ids;
  if (!r.choices.empty()) {
    const ChoiceState state = FollowChoices(r.choices, sequence.output);
    sample.allowed = state.next;
    if (state.complete) sample.allowed.insert(sample.allowed.end(), r.stop_token_ids.begin(), r.stop_token_ids.end());
    sample.banned.clear();  // a choice is as long as it is
  }
  if (request.beams) sample.num_candidates = 2 * r.sampling->num_beams;
  return sample;
}

void Scheduler::NotePlanned(RequestState& request, const Sequence& sequence, TimePoint now) {
  if (!request.planned_first) request.planned_first = now;
  if (request.request->progress && !request.prompt_computed()) request.sink->OnProgress(sequence.computed, request.prompt_tokens());
}

}  // namespace triptych::engine
