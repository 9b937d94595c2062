#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "common/check.h"
#include "worker/engine/shard_group.h"

namespace triptych::fakes {

// A "language model" whose next token is a hash of all that a sequence can see. It keeps what it was given by block and slot, as a real one
// keeps keys and values, and reads a sequence's past from there: wrong block tables, missing copies and stale blocks give wrong tokens.
// Checks that no block is written by two sequences of a step. Results are ready at once, unless held.
class FakeShardGroup final : public engine::ShardGroup {
 public:
  FakeShardGroup(int32_t num_blocks, int32_t vocab_size)
      : vocab_size_(vocab_size), slots_(static_cast<size_t>(num_blocks) * kBlockTokens, kUnwritten) {}

  Status Start() override { return OkStatus(); }
  State state() const override { return failure_.ok() ? State::kReady : State::kFailed; }
  void Submit(std::shared_ptr<const engine::StepPlan> plan) override { plans_.push_back(std::move(plan)); }
  StatusOr<engine::StepResult> Await() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !held_; });
    if (!failure_.ok()) return failure_;
    lock.unlock();
    const auto plan = plans_.front();
    plans_.pop_front();
    return Run(*plan);
  }
  void Stop() override { Hold(false); }

  // While held, Await does not return.
  void Hold(bool held) {
    {
      std::lock_guard lock(mutex_);
      held_ = held;
    }
    changed_.notify_all();
  }
  void Fail(Status why) {
    std::lock_guard lock(mutex_);
    failure_ = std::move(why);
  }
  void OnStep(std::function<void(const engine::StepPlan&)> hook) { on_step_ = std::move(hook); }
  // Before the start: what comes next after what a sequence has seen; nothing: what the hash says.
  using Script = std::function<std::optional<TokenId>(const std::vector<uint64_t>& seen)>;
  void Follow(Script script) { script_ = std::move(script); }
  // Sequences that see this token fail.
  void FailOn(TokenId token) { poison_ = token; }

  engine::StepResult Run(const engine::StepPlan& plan) {
    if (on_step_) on_step_(plan);
    for (const engine::BlockCopy& copy : plan.copies) {
      std::copy_n(slots_.begin() + copy.from * kBlockTokens, kBlockTokens, slots_.begin() + copy.to * kBlockTokens);
    }
    std::set<std::pair<engine::BlockId, int32_t>> written;
    engine::StepResult result;
    result.step = plan.step;
    for (const engine::SequenceStep& step : plan.sequences) {
      Write(step, written);
      result.sequences.push_back(ResultOf(step));
    }
    return result;
  }

  // What a sequence of these values (token ids, or PictureValue on image rows) says next, greedily.
  TokenId NextToken(const std::vector<uint64_t>& seen) const { return static_cast<TokenId>(Hash(seen) % vocab_size_); }
  static uint64_t PictureValue(const EmbeddingKey& key, int32_t row) { return 1'000'000'007ull * (std::hash<EmbeddingKey>{}(key) % 9973 + 1) + row; }

 private:
  static constexpr uint64_t kUnwritten = ~0ull;

  static uint64_t Hash(const std::vector<uint64_t>& values) {
    uint64_t hash = 1469598103934665603ull;
    for (const uint64_t value : values) hash = (hash ^ (value + 0x9e3779b97f4a7c15ull + (hash << 6) + (hash >> 2))) * 1099511628211ull;
    return hash ^ hash >> 29;
  }

  void Write(const engine::SequenceStep& step, std::set<std::pair<engine::BlockId, int32_t>>& written) {
    std::vector<uint64_t> values(step.tokens.begin(), step.tokens.end());
    for (const engine::EmbeddingRows& rows : step.images) {
      for (int32_t i = 0; i < rows.rows; ++i) {
        TRIPTYCH_CHECK(step.tokens[rows.offset + i] == kImageRow);
        values[rows.offset + i] = PictureValue(rows.key, rows.first_row + i);
      }
    }
    for (size_t i = 0; i < values.size(); ++i) {
      const int32_t position = step.first_position + static_cast<int32_t>(i);
      const engine::BlockId block = step.blocks[position / kBlockTokens];
      TRIPTYCH_CHECK(written.insert({block, position % kBlockTokens}).second);
      slots_[block * kBlockTokens + position % kBlockTokens] = values[i];
    }
  }

  std::vector<uint64_t> Seen(const engine::SequenceStep& step, int32_t end) const {
    std::vector<uint64_t> seen;
    for (int32_t i = 0; i < end; ++i) seen.push_back(slots_[step.blocks[i / kBlockTokens] * kBlockTokens + i % kBlockTokens]);
    TRIPTYCH_CHECK(std::ranges::find(seen, kUnwritten) == seen.end());
    return seen;
  }

  engine::SequenceResult ResultOf(const engine::SequenceStep& step) const {
    engine::SequenceResult result;
    result.id = step.id;
    const std::vector<uint64_t> seen = Seen(step, step.first_position + static_cast<int32_t>(step.tokens.size()));
    if (std::ranges::find(seen, static_cast<uint64_t>(poison_)) != seen.end()) {
      result.error = "the logits are not finite";
      return result;
    }
    if (step.logits == engine::LogitsWanted::kAll) {
      for (size_t i = 0; i < step.targets.size(); ++i) {
        if (step.targets[i] == kImageRow) continue;
        const std::vector<uint64_t> before(seen.begin(), seen.begin() + step.first_position + i + 1);
        result.scored.push_back({.id = step.targets[i], .logprob = LogProb(before, step.targets[i])});
      }
    }
    if (step.sample) Choose(*step.sample, seen, result);
    return result;
  }

  static float LogProb(std::vector<uint64_t> seen, TokenId id) {
    seen.push_back(static_cast<uint64_t>(id) + 77);
    return -static_cast<float>(Hash(seen) % 4096) / 512;
  }

  void Choose(const engine::SampleRequest& sample, std::vector<uint64_t> seen, engine::SequenceResult& result) const {
    const std::optional<TokenId> scripted = script_ ? script_(seen) : std::nullopt;
    if (sample.params->temperature > 0) {
      for (const uint64_t key : {sample.params->seed, uint64_t{sample.sequence}, uint64_t{sample.output_index}}) seen.push_back(key);
    }
    const auto may = [&](TokenId id) {
      const bool allowed = sample.allowed.empty() || std::ranges::find(sample.allowed, id) != sample.allowed.end();
      return allowed && std::ranges::find(sample.banned, id) == sample.banned.end();
    };
    if (sample.num_candidates > 0) {
      std::vector<engine::TokenLogprob> all;
      for (TokenId id = 0; id < vocab_size_; ++id) {
        if (may(id)) all.push_back({id, LogProb(seen, id)});
      }
      std::ranges::stable_sort(all, std::ranges::greater(), &engine::TokenLogprob::logprob);
      all.resize(std::min<size_t>(all.size(), sample.num_candidates));
      result.candidates = all;
      return;
    }
    TokenId id = scripted ? *scripted : NextToken(seen);
    while (!may(id)) id = (id + 1) % vocab_size_;
    result.chosen = engine::ScoredToken{.id = id, .logprob = -1};
  }

  const int32_t vocab_size_;
  std::vector<uint64_t> slots_;
  std::deque<std::shared_ptr<const engine::StepPlan>> plans_;
  std::function<void(const engine::StepPlan&)> on_step_;
  Script script_;
  TokenId poison_ = -2;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;            // guarded by mutex_
  Status failure_ = OkStatus();  // guarded by mutex_
};

}  // namespace triptych::fakes
