// What of the scheduler brings requests in and takes them out.
#include <algorithm>

#include "common/check.h"
#include "worker/engine/scheduler.h"

namespace triptych::engine {
namespace {

constexpr std::chrono::seconds kNormalHandicap{2};   // an interactive request overtakes normal ones that came up to 2 s before it
constexpr std::chrono::seconds kBatchHandicap{20};   // and batch requests that came up to 20 s before: they age, and never starve

TimePoint OrderOf(Priority priority, TimePoint now) {
  switch (priority) {
    case Priority::kInteractive: return now;
    case Priority::kNormal: return now + kNormalHandicap;
    case Priority::kBatch: return now + kBatchHandicap;
  }
  return now;
}

int32_t BlocksOf(int32_t tokens) { return (tokens + kBlockTokens - 1) / kBlockTokens; }

// Beyond the trained length keys rotate by the whole prompt's length: such prompts share blocks only with prompts of their own length.
std::string SaltOf(const Request& request, const EngineOptions& options) {
  const auto length = static_cast<int32_t>(request.prompt.size());
  const bool stretched = options.rotary_trained_tokens > 0 && length > options.rotary_trained_tokens;
  return request.prefix_salt + (stretched ? fmt::format("\nlength {}", length) : "");
}

}  // namespace

Status Scheduler::CheckFits(const Request& request, const EngineOptions& options) {
  const auto prompt = static_cast<int32_t>(request.prompt.size());
  if (prompt == 0) return InvalidArgument("the prompt is empty");
  if (request.max_new_tokens < 0 || prompt > options.context_tokens - request.max_new_tokens) {
    return InvalidArgument("{} prompt tokens and {} new ones do not fit a context of {}", prompt, request.max_new_tokens,
                           options.context_tokens);
  }
  const bool beams = request.sampling->num_beams > 1;
  if (beams && request.sampling->num_beams > options.max_sequences) {
    return InvalidArgument("{} beams, at most {}", request.sampling->num_beams, options.max_sequences);
  }
  if (beams && request.sampling->num_beams > options.max_step_tokens) {
    return InvalidArgument("{} beams, at most {}, the tokens of a step", request.sampling->num_beams, options.max_step_tokens);
  }
  // Beams share the prompt's full blocks; each may need its own for the rest.
  const int32_t shared = beams ? prompt / kBlockTokens : 0;
  const int32_t own = BlocksOf(prompt + request.max_new_tokens) - shared;
  const int64_t needed = shared + int64_t{own} * (beams ? 2 * request.sampling->num_beams : 1);
  if (needed > options.num_blocks) {
    return InvalidArgument("the request needs {} blocks of {} tokens, this worker has {}", needed, kBlockTokens, options.num_blocks);
  }
  return OkStatus();
}

Scheduler::Scheduler(EngineOptions options, EngineStats* stats, PrefixCacheObserver* observer)
    : options_(options), stats_(stats), pool_(options.num_blocks), cache_(&pool_, observer) {
  UpdateGauges();
}

void Scheduler::Admit(std::unique_ptr<Request> request, std::shared_ptr<RequestSink> sink, TimePoint now) {
  auto state = std::make_unique<RequestState>();
  state->salt = SaltOf(*request, options_);
  state->arrived = now;
  state->order = OrderOf(request->priority, now);
  const bool beams = request->sampling->num_beams > 1 && !request->score_only;
  if (beams) state->beams.emplace(request->sampling->num_beams, request->sampling->length_penalty, request->stop_token_ids);
  const int32_t sequences = beams || request->score_only ? 1 : request->num_sequences;
  for (int32_t i = 0; i < sequences; ++i) {
    auto sequence = std::make_unique<Sequence>();
    sequence->id = next_sequence_++;
    sequence->index = i;
    if (!request->resume.empty()) {
      sequence->output = request->resume[i].output;
      sequence->finished = request->resume[i].finished;
    }
    by_sequence_[sequence->id] = {state.get(), sequence.get()};
    state->sequences.push_back(std::move(sequence));
  }
  for (const KeyedSpan& image : request->images) embedding_rows_.try_emplace(image.key, 0);
  stats_->prompt_tokens += request->prompt.size();
  const Order order{state->order, request->id};
  orders_[request->id] = order;
  state->request = std::move(request);
  state->sink = std::move(sink);
  requests_.emplace(order, std::move(state));
  UpdateGauges();
}

void Scheduler::Cancel(RequestId id) {
  if (FindRequest(id) == nullptr) return;
  ++stats_->cancelled;
  Remove(id);
}

void Scheduler::FailRequest(RequestId id, const Status& why) {
  RequestState* request = FindRequest(id);
  if (request == nullptr) return;
  ++stats_->failed;
  const std::shared_ptr<RequestSink> sink = request->sink;
  Remove(id);
  sink->OnFailed(why);
}

void Scheduler::FailAll(const Status& why) {
  while (!requests_.empty()) FailRequest(requests_.begin()->second->request->id, why);
}

void Scheduler::SetEmbeddingRows(const EmbeddingKey& key, int32_t rows) {
  const auto found = embedding_rows_.find(key);
  if (found != embedding_rows_.end()) found->second = std::max(found->second, rows);
}

// Tail first: of what stays in the prefix cache, the ends of chains are evicted before their beginnings.
void Scheduler::ReleaseBlocks(Sequence& sequence) {
  for (auto id = sequence.blocks.rbegin(); id != sequence.blocks.rend(); ++id) pool_.Release(*id);
  sequence.blocks.clear();
  sequence.computed = 0;
  sequence.cursor = {};
  if (std::exchange(sequence.running, false)) --num_running_;
}

void Scheduler::Remove(RequestId id) {
  const auto order = orders_.find(id);
  const auto found = requests_.find(order->second);
  for (const auto& sequence : found->second->sequences) {
    ReleaseBlocks(*sequence);
    by_sequence_.erase(sequence->id);
  }
  const std::vector<KeyedSpan> images = std::move(found->second->request->images);
  requests_.erase(found);
  orders_.erase(order);
  for (const KeyedSpan& image : images) {
    const bool named = std::ranges::any_of(requests_, [&](const auto& entry) {
      return std::ranges::any_of(entry.second->request->images, [&](const KeyedSpan& other) { return other.key == image.key; });
    });
    if (!named) embedding_rows_.erase(image.key);
  }
  UpdateGauges();
}

RequestState* Scheduler::FindRequest(RequestId id) {
  const auto order = orders_.find(id);
  return order == orders_.end() ? nullptr : requests_.at(order->second).get();
}

void Scheduler::UpdateGauges() {
  int64_t waiting = 0, prefill = 0;
  for (const auto& [order, request] : requests_) {
    for (const auto& sequence : request->sequences) {
      if (sequence->finished) continue;
      waiting += !sequence->running;
      const int32_t left = request->total_tokens(*sequence) - sequence->computed;
      if (left > 1) prefill += left;
    }
  }
  stats_->live = static_cast<int64_t>(requests_.size());
  stats_->running = num_running_;
  stats_->waiting = waiting;
  stats_->waiting_prefill_tokens = prefill;
  stats_->free_blocks = pool_.num_available();
  stats_->used_blocks = pool_.num_blocks() - pool_.num_available();
  stats_->cached_blocks = static_cast<int64_t>(cache_.size());
}

}  // namespace triptych::engine
