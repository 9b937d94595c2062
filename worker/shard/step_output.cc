#include "worker/shard/step_output.h"

#include <optional>
#include <span>
#include <utility>

#include "common/check.h"
#include "common/status.h"
#include "worker/kernels/cpu_team.h"
#include "worker/model/sampler.h"

namespace triptych::shard {
namespace {

using engine::LogitsWanted;
using engine::SequenceResult;
using engine::SequenceStep;

// One row of logits, whose it is, and what came of it.
struct RowTask {
  size_t sequence = 0;
  int64_t row = 0;
  TokenId target = kImageRow;  // to be scored; kImageRow: sample as the sequence asks
  Status status;
  engine::ScoredToken token;
  std::vector<engine::TokenLogprob> candidates;
};

std::vector<RowTask> ListTasks(const engine::StepPlan& plan,
                               const std::vector<std::string>& errors) {
  std::vector<RowTask> tasks;
  int64_t row = 0;
  for (size_t s = 0; s < plan.sequences.size(); ++s) {
    const SequenceStep& sequence = plan.sequences[s];
    const bool is_live = errors[s].empty();
    if (sequence.logits == LogitsWanted::kLast) {
      if (is_live && sequence.sample) tasks.push_back({.sequence = s, .row = row});
      ++row;
    } else if (sequence.logits == LogitsWanted::kAll) {
      for (size_t i = 0; i < sequence.tokens.size(); ++i, ++row) {
        const TokenId target = i < sequence.targets.size() ? sequence.targets[i] : kImageRow;
        if (is_live && target != kImageRow) {
          tasks.push_back({.sequence = s, .row = row, .target = target});
        }
      }
    }
  }
  return tasks;
}

void RunTask(const SequenceStep& sequence, std::span<const float> logits, RowTask& task) {
  if (task.target == kImageRow && sequence.sample->num_candidates > 0) {
    auto candidates = model::BeamCandidates(logits, *sequence.sample);
    task.status = candidates.status();
    if (candidates.ok()) task.candidates = *std::move(candidates);
    return;
  }
  auto token = task.target == kImageRow
                   ? model::SampleToken(logits, *sequence.sample)
                   : model::ScoreToken(logits, task.target, sequence.top_logprobs);
  task.status = token.status();
  if (token.ok()) task.token = *std::move(token);
}

void Collect(RowTask task, SequenceResult& result) {
  if (!result.error.empty()) return;
  if (!task.status.ok()) {
    result = {.id = result.id, .error = std::string(Message(task.status))};
  } else if (task.target != kImageRow) {
    result.scored.push_back(std::move(task.token));
  } else if (!task.candidates.empty()) {
    result.candidates = std::move(task.candidates);
  } else {
    result.chosen = std::move(task.token);
  }
}

}  // namespace

engine::StepResult MakeStepResult(const engine::StepPlan& plan,
                                  const at::Tensor& logits,
                                  const std::vector<std::string>& errors) {
  TRIPTYCH_CHECK(errors.size() == plan.sequences.size());
  std::vector<RowTask> tasks = ListTasks(plan, errors);
  const size_t vocab = static_cast<size_t>(logits.size(1));
  const float* rows = logits.const_data_ptr<float>();
  kernels::ParallelFor(
      static_cast<int64_t>(tasks.size()), /*grain=*/1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          RowTask& task = tasks[i];
          RunTask(plan.sequences[task.sequence], {rows + task.row * vocab, vocab}, task);
        }
      });
  engine::StepResult result{.step = plan.step};
  for (size_t s = 0; s < plan.sequences.size(); ++s) {
    result.sequences.push_back({.id = plan.sequences[s].id, .error = errors[s]});
  }
  for (RowTask& task : tasks) Collect(std::move(task), result.sequences[task.sequence]);
  return result;
}

}  // namespace triptych::shard
