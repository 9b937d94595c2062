// No bit of a logit hangs on the schedule: random arrivals, step and chunk sizes, preemptions, cache
// states, cancels, beams and samples, planned by the real scheduler, give for the same tokens before
// it the same row of logits every time.
//
// TRIPTYCH_SCHEDULES: how many schedules for each number of ranks (default 100; the gate before a
// release is 1000).

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include <ATen/ops/cat.h>

#include "gtest/gtest.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/model_crew.h"
#include "tests/golden/golden_set.h"
#include "worker/engine/scheduler.h"
#include "worker/shard/step_output.h"

namespace triptych::golden {
namespace {

using engine::LogitsWanted;

constexpr int32_t kMaxBlocks = 96;
constexpr int32_t kContext = 512;
constexpr int64_t kEnough = 100'000;  // steps; a schedule that needs more hangs

int NumSchedules() {
  const char* wanted = std::getenv("TRIPTYCH_SCHEDULES");
  return wanted == nullptr ? 100 : std::atoi(wanted);
}

struct Ending final : engine::RequestSink {
  void OnAdmitted(int32_t cached) override { hits += cached > 0; }
  void OnProgress(int32_t, int32_t) override {}
  void OnTokens(int32_t, int32_t, std::vector<engine::ScoredToken>) override {}
  void OnFinished(int32_t,
                  engine::FinishReason,
                  int32_t,
                  double,
                  std::vector<engine::ScoredToken>,
                  engine::RequestTimings) override {}
  void OnFailed(Status why) override { ADD_FAILURE() << why; }

  int hits = 0;  // requests that found a part of their prompt in the cache
};

// What every row of logits was when it was first computed, by all that its token could see.
class FirstSeen {
 public:
  // False when the row has other bits than before.
  bool Check(const std::vector<uint64_t>& seen, const float* row, int64_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(row), size * sizeof(float));
    const size_t bits = std::hash<std::string_view>{}(bytes);
    const auto [at, is_new] = rows_.try_emplace(std::string(
        reinterpret_cast<const char*>(seen.data()), seen.size() * sizeof(uint64_t)), bits);
    if (!is_new) ++repeats_;
    return at->second == bits;
  }
  int64_t repeats() const { return repeats_; }

 private:
  std::unordered_map<std::string, size_t> rows_;
  int64_t repeats_ = 0;
};

// Runs the plans of schedulers on a model. Keeps beside each key and value which token it came from,
// so that it knows what a row of logits has seen, whatever blocks lead to it.
class CheckedModel {
 public:
  CheckedModel(std::unique_ptr<fakes::ModelCrew> model, const std::map<EmbeddingKey, at::Tensor>* pictures)
      : model_(std::move(model)), pictures_(pictures), slots_(kMaxBlocks * kBlockTokens) {}

  engine::StepResult Run(const engine::StepPlan& plan) {
    for (const engine::BlockCopy& copy : plan.copies) {
      std::copy_n(slots_.begin() + copy.from * kBlockTokens,
                  kBlockTokens,
                  slots_.begin() + copy.to * kBlockTokens);
    }
    std::vector<at::Tensor> image_rows;
    for (const engine::SequenceStep& step : plan.sequences) Write(step, image_rows);
    const at::Tensor logits =
        model_->Forward(plan, image_rows.empty() ? at::Tensor() : at::cat(image_rows));
    const at::Tensor rows = logits.contiguous();
    int64_t row = 0;
    for (const engine::SequenceStep& step : plan.sequences) {
      const int32_t tokens = static_cast<int32_t>(step.tokens.size());
      if (step.logits == LogitsWanted::kNone) continue;
      for (int32_t i = step.logits == LogitsWanted::kAll ? 0 : tokens - 1; i < tokens; ++i, ++row) {
        EXPECT_TRUE(first_seen_.Check(Seen(step, step.first_position + i + 1),
                                      rows.const_data_ptr<float>() + row * rows.size(1),
                                      rows.size(1)))
            << "step " << plan.step << ", position " << step.first_position + i;
      }
    }
    EXPECT_EQ(row, rows.size(0));
    return shard::MakeStepResult(plan, logits, std::vector<std::string>(plan.sequences.size()));
  }
  int64_t repeats() const { return first_seen_.repeats(); }

 private:
  void Write(const engine::SequenceStep& step, std::vector<at::Tensor>& image_rows) {
    std::vector<uint64_t> values(step.tokens.begin(), step.tokens.end());
    for (const engine::EmbeddingRows& part : step.images) {
      image_rows.push_back(pictures_->at(part.key).narrow(0, part.first_row, part.rows));
      for (int32_t i = 0; i < part.rows; ++i) {
        values[part.offset + i] = (uint64_t{part.key.digest[0]} + 1) << 32 | (part.first_row + i);
      }
    }
    for (size_t i = 0; i < values.size(); ++i) Slot(step, step.first_position + static_cast<int32_t>(i)) = values[i];
  }
  uint64_t& Slot(const engine::SequenceStep& step, int32_t position) {
    return slots_[step.blocks[position / kBlockTokens] * kBlockTokens + position % kBlockTokens];
  }
  std::vector<uint64_t> Seen(const engine::SequenceStep& step, int32_t end) {
    std::vector<uint64_t> seen;
    for (int32_t i = 0; i < end; ++i) seen.push_back(Slot(step, i));
    return seen;
  }

  std::unique_ptr<fakes::ModelCrew> model_;
  const std::map<EmbeddingKey, at::Tensor>* pictures_;
  std::vector<uint64_t> slots_;  // by block and place in it: the token, or picture and row
  FirstSeen first_seen_;
};

class ScheduleInvarianceTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    const auto folders = GoldenFolders({"internlmxcomposer2"});
    const auto folder = std::ranges::find_if(folders, IsPlain);
    ASSERT_NE(folder, folders.end());
    auto cases = LoadGoldenCases(*folder);
    ASSERT_TRUE(cases.ok()) << cases.status();
    for (const GoldenCase& golden : *cases) AddPrompt(golden.prompt);
    auto model = fakes::ModelCrew::Load(*folder, GetParam(), kMaxBlocks);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = std::make_unique<CheckedModel>(*std::move(model), &pictures_);
  }

  // A few prompts, so that the same ones come again and again.
  void AddPrompt(const fakes::ScriptedSequence& sequence) {
    engine::Request request;
    request.prompt = sequence.tokens;
    int32_t row = 0;
    for (int32_t i = 0; i < static_cast<int32_t>(sequence.tokens.size()); ++i) {
      if (sequence.tokens[i] != kImageRow) continue;
      int32_t end = i;
      while (sequence.tokens[end] == kImageRow) ++end;
      EmbeddingKey key;
      key.digest.fill(static_cast<uint8_t>(pictures_.size()));
      pictures_[key] = sequence.image_rows.narrow(0, row, end - i);
      request.images.push_back({.start = i, .rows = end - i, .key = key});
      row += end - i;
      i = end - 1;
    }
    prompts_.push_back(std::move(request));
  }

  std::unique_ptr<engine::Request> DrawRequest(std::mt19937& random, engine::RequestId id) {
    const auto draw = [&](int below) { return static_cast<int>(random() % below); };
    auto request = std::make_unique<engine::Request>(prompts_[draw(static_cast<int>(prompts_.size()))]);
    request->id = id;
    request->max_new_tokens = 1 + draw(12);
    request->score_only = draw(8) == 0;
    engine::SamplingParams sampling;
    switch (draw(4)) {
      case 0:
        sampling.num_beams = 2 + draw(3);
        request->num_sequences = 1 + draw(sampling.num_beams);
        break;
      case 1:
        sampling.temperature = 1;
        sampling.seed = draw(3);
        request->num_sequences = 1 + draw(3);
        break;
      case 2:
        sampling.repetition_penalty = 1.3F;
        break;
      default:
        break;  // greedy
    }
    if (request->score_only) {
      request->max_new_tokens = 0;
      request->num_sequences = 1;
      sampling = {};
    }
    request->sampling = std::make_shared<engine::SamplingParams>(sampling);
    return request;
  }

  void RunSchedule(uint32_t seed, engine::EngineStats& stats) {
    std::mt19937 random(seed);
    const auto draw = [&](int below) { return static_cast<int>(random() % below); };
    const engine::EngineOptions options{.num_blocks = 12 + draw(kMaxBlocks - 12),
                                        .max_sequences = 4 + draw(8),
                                        .max_step_tokens = 8 + draw(120),
                                        .max_chunk_tokens = 1 + draw(100),
                                        .context_tokens = kContext,
                                        .prefix_cache = draw(4) != 0};
    engine::Scheduler scheduler(options, &stats, nullptr);
    fakes::ManualClock clock;
    int to_come = 3 + draw(8);
    engine::RequestId next = 1;
    for (int64_t step = 0; to_come > 0 || !scheduler.idle(); ++step) {
      ASSERT_LT(step, kEnough) << "schedule " << seed << " hangs";
      while (to_come > 0 && (scheduler.idle() || draw(3) == 0)) {
        auto request = DrawRequest(random, next++);
        --to_come;
        if (!engine::Scheduler::CheckFits(*request, options).ok()) continue;
        const std::vector<KeyedSpan> images = request->images;
        scheduler.Admit(std::move(request), ending_, clock.Now());
        for (const KeyedSpan& image : images) scheduler.SetEmbeddingRows(image.key, image.rows);
      }
      if (draw(40) == 0) scheduler.Cancel(1 + draw(static_cast<int>(next)));
      const engine::StepPlan plan = scheduler.PlanStep(clock.Now());
      if (plan.sequences.empty()) continue;
      scheduler.Commit(plan, model_->Run(plan), clock.Now());
      clock.Advance(std::chrono::milliseconds(1));
    }
  }

  std::map<EmbeddingKey, at::Tensor> pictures_;
  std::vector<engine::Request> prompts_;
  std::unique_ptr<CheckedModel> model_;
  std::shared_ptr<Ending> ending_ = std::make_shared<Ending>();
};

TEST_P(ScheduleInvarianceTest, NoBitOfALogitChanges) {
  engine::EngineStats stats;
  const int schedules = NumSchedules();
  for (int seed = 0; seed < schedules && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "schedule " << seed);
    RunSchedule(static_cast<uint32_t>(seed), stats);
  }
  // The schedules did what they are for.
  EXPECT_GT(stats.preemptions, 0u);
  EXPECT_GT(ending_->hits, 0);
  EXPECT_GT(stats.cancelled, 0u);
  EXPECT_GT(model_->repeats(), 10 * schedules);
  RecordProperty("rows_compared", static_cast<int>(model_->repeats()));
}

INSTANTIATE_TEST_SUITE_P(Ranks, ScheduleInvarianceTest, ::testing::Values(1, 2, 4), [](const auto& info) {
  return "tp" + std::to_string(info.param);
});

}  // namespace
}  // namespace triptych::golden
