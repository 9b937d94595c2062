#include "worker/engine/scheduler.h"

#include <map>
#include <random>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_shard_group.h"
#include "tests/fakes/manual_clock.h"

namespace triptych::engine {
namespace {

constexpr int32_t kVocab = 50;

// What a request's sink heard, checked as it comes.
struct Heard final : RequestSink {
  void OnAdmitted(int32_t cached) override { cached_tokens = cached; }
  void OnProgress(int32_t done, int32_t) override { progress.push_back(done); }
  void OnTokens(int32_t sequence, int32_t offset, std::vector<ScoredToken> tokens) override {
    std::vector<TokenId>& out = outputs[sequence];
    if (out.empty()) first_offset[sequence] = offset;
    EXPECT_EQ(offset, first_offset[sequence] + static_cast<int32_t>(out.size()));
    for (const ScoredToken& token : tokens) out.push_back(token.id);
  }
  void OnFinished(int32_t sequence, FinishReason reason, int32_t count, double score, std::vector<ScoredToken> scored, RequestTimings) override {
    EXPECT_FALSE(reasons.contains(sequence));
    reasons[sequence] = reason;
    counts[sequence] = count;
    scores[sequence] = score;
    prompt_scores = std::move(scored);
  }
  void OnFailed(Status why) override {
    EXPECT_TRUE(failure.ok());
    failure = why;
  }
  int32_t cached_tokens = -1;
  std::vector<int32_t> progress;
  std::map<int32_t, std::vector<TokenId>> outputs;
  std::map<int32_t, int32_t> first_offset, counts;
  std::map<int32_t, FinishReason> reasons;
  std::map<int32_t, double> scores;
  std::vector<ScoredToken> prompt_scores;
  Status failure = OkStatus();
};

EmbeddingKey Key(uint8_t name) {
  EmbeddingKey key;
  key.digest.fill(name);
  return key;
}

class SchedulerTest : public testing::Test {
 protected:
  explicit SchedulerTest(EngineOptions options = {.num_blocks = 64, .max_step_tokens = 64, .max_chunk_tokens = 32, .context_tokens = 512})
      : options_(options) {
    Restart(options);
  }
  void Restart(EngineOptions options) {
    options_ = options;
    stats_ = std::make_unique<EngineStats>();
    scheduler_ = std::make_unique<Scheduler>(options, stats_.get(), nullptr);
    group_ = std::make_unique<fakes::FakeShardGroup>(options.num_blocks, kVocab);
  }
  static std::vector<TokenId> Text(int32_t n, int32_t seed = 1) {
    std::mt19937 random(seed);
    std::vector<TokenId> ids(n);
    for (TokenId& id : ids) id = static_cast<TokenId>(random() % kVocab);
    return ids;
  }
  std::unique_ptr<Request> Make(std::vector<TokenId> prompt, int32_t max_new) {
    auto request = std::make_unique<Request>();
    request->id = next_id_++;
    request->prompt = std::move(prompt);
    request->max_new_tokens = max_new;
    request->sampling = std::make_shared<SamplingParams>();
    return request;
  }
  static void Sample(Request& request, uint64_t seed) {
    auto params = std::make_shared<SamplingParams>();
    params->temperature = 1;
    params->seed = seed;
    request.sampling = params;
  }
  std::shared_ptr<Heard> Admit(std::unique_ptr<Request> request) {
    auto heard = std::make_shared<Heard>();
    EXPECT_TRUE(Scheduler::CheckFits(*request, options_).ok());
    ++stats_->accepted;
    scheduler_->Admit(std::move(request), heard, clock_.Now());
    return heard;
  }
  bool Step() {
    clock_.Advance(std::chrono::milliseconds(1));
    const StepPlan plan = scheduler_->PlanStep(clock_.Now());
    if (plan.sequences.empty()) return false;
    EXPECT_LE(plan.num_tokens(), options_.max_step_tokens);
    scheduler_->Commit(plan, group_->Run(plan), clock_.Now());
    return true;
  }
  void RunAll() {
    int steps = 0;
    while (Step()) ASSERT_LT(++steps, 100'000);
    EXPECT_EQ(stats_->accepted, stats_->completed + stats_->failed + stats_->cancelled + stats_->live);
  }
  void ExpectEmpty() {
    EXPECT_TRUE(scheduler_->idle());
    EXPECT_EQ(stats_->used_blocks, 0);
    EXPECT_EQ(stats_->free_blocks, options_.num_blocks);
    EXPECT_EQ(stats_->live, 0);
  }
  // The undisturbed output, from the fake's definition alone.
  std::vector<TokenId> Expected(const Request& request) const {
    std::vector<uint64_t> seen(request.prompt.begin(), request.prompt.end());
    for (const KeyedSpan& image : request.images) {
      for (int32_t i = 0; i < image.rows; ++i) seen[image.start + i] = fakes::FakeShardGroup::PictureValue(image.key, i);
    }
    std::vector<TokenId> out;
    for (int32_t i = 0; i < request.max_new_tokens; ++i) {
      out.push_back(group_->NextToken(seen));
      seen.push_back(out.back());
    }
    return out;
  }

  EngineOptions options_;
  fakes::ManualClock clock_;
  std::unique_ptr<EngineStats> stats_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<fakes::FakeShardGroup> group_;
  RequestId next_id_ = 1;
};

TEST_F(SchedulerTest, OneRequestGivesItsTokens) {
  auto request = Make(Text(40), 20);
  const auto wanted = Expected(*request);
  const auto heard = Admit(std::move(request));
  RunAll();
  EXPECT_EQ(heard->outputs[0], wanted);
  EXPECT_EQ(heard->reasons[0], FinishReason::kLength);
  EXPECT_EQ(heard->cached_tokens, 0);
  ExpectEmpty();
}

TEST_F(SchedulerTest, ChunksAndBudgetsChangeNothing) {
  for (const int32_t chunk : {1, 7, 64, 512}) {
    Restart({.num_blocks = 64, .max_step_tokens = std::max(chunk, 3), .max_chunk_tokens = chunk, .context_tokens = 512});
    std::vector<std::pair<std::vector<TokenId>, std::shared_ptr<Heard>>> all;
    for (int32_t i = 0; i < 8; ++i) {
      auto request = Make(Text(20 + 9 * i, i), 12);
      auto wanted = Expected(*request);
      all.emplace_back(std::move(wanted), Admit(std::move(request)));
    }
    RunAll();
    for (auto& [wanted, heard] : all) EXPECT_EQ(heard->outputs[0], wanted) << chunk;
    ExpectEmpty();
  }
}

TEST_F(SchedulerTest, EveryStepOfASequenceNamesItsAdapter) {
  auto with = Make(Text(50), 3);
  with->adapter = 2;
  Admit(std::move(with));
  Admit(Make(Text(20), 3));
  std::map<SequenceId, std::set<int32_t>> adapters;
  for (StepPlan plan = scheduler_->PlanStep(clock_.Now()); !plan.sequences.empty(); plan = scheduler_->PlanStep(clock_.Now())) {
    for (const SequenceStep& step : plan.sequences) adapters[step.id].insert(step.adapter);
    scheduler_->Commit(plan, group_->Run(plan), clock_.Now());
  }
  ASSERT_EQ(adapters.size(), 2u);
  EXPECT_THAT(adapters.begin()->second, testing::ElementsAre(2));
  EXPECT_THAT(adapters.rbegin()->second, testing::ElementsAre(0));
}

TEST_F(SchedulerTest, PicturesAreWaitedForRowByRow) {
  auto request = Make(Text(60), 10);
  std::fill_n(request->prompt.begin() + 5, 40, kImageRow);
  request->images = {{5, 40, Key(3)}};
  const auto wanted = Expected(*request);
  const auto heard = Admit(std::move(request));
  EXPECT_TRUE(Step());   // the text before the picture
  EXPECT_FALSE(Step());
  scheduler_->SetEmbeddingRows(Key(3), 17);
  EXPECT_TRUE(Step());
  EXPECT_FALSE(Step());
  scheduler_->SetEmbeddingRows(Key(3), 40);
  RunAll();
  EXPECT_EQ(heard->outputs[0], wanted);
  ExpectEmpty();
}

TEST_F(SchedulerTest, APromptSeenBeforeIsFoundInTheCache) {
  Admit(Make(Text(100), 5));
  RunAll();
  auto again = Make(Text(100), 5);
  const auto wanted = Expected(*again);
  const auto heard = Admit(std::move(again));
  RunAll();
  EXPECT_EQ(heard->cached_tokens, 96);
  EXPECT_EQ(heard->outputs[0], wanted);
  auto salted = Make(Text(100), 5);
  salted->prefix_salt = "another tenant";
  const auto other = Admit(std::move(salted));
  RunAll();
  EXPECT_EQ(other->cached_tokens, 0);
  EXPECT_EQ(other->outputs[0], wanted);
}

TEST_F(SchedulerTest, AFollowingTurnFindsTheAnswerToo) {
  auto first = Make(Text(32), 40);
  std::vector<TokenId> conversation = first->prompt;
  const auto heard = Admit(std::move(first));
  RunAll();
  conversation.insert(conversation.end(), heard->outputs[0].begin(), heard->outputs[0].end());
  conversation.push_back(7);
  auto next = Make(conversation, 3);
  const auto wanted = Expected(*next);
  const auto second = Admit(std::move(next));
  RunAll();
  EXPECT_EQ(second->cached_tokens, 64);
  EXPECT_EQ(second->outputs[0], wanted);
}

TEST_F(SchedulerTest, OtherPicturesAreNotFoundInTheCache) {
  const auto with_picture = [&](uint8_t name) {
    auto request = Make(Text(80), 4);
    std::fill_n(request->prompt.begin() + 20, 32, kImageRow);
    request->images = {{20, 32, Key(name)}};
    return request;
  };
  for (const auto& [name, cached] : {std::pair<uint8_t, int32_t>{1, 0}, {1, 64}, {2, 16}}) {
    auto request = with_picture(name);
    const auto wanted = Expected(*request);
    const auto heard = Admit(std::move(request));
    scheduler_->SetEmbeddingRows(Key(name), 32);
    RunAll();
    EXPECT_EQ(heard->cached_tokens, cached);
    EXPECT_EQ(heard->outputs[0], wanted);
  }
}

TEST_F(SchedulerTest, BeyondTheTrainedLengthOnlyEqualLengthsShare) {
  Restart({.num_blocks = 64, .max_step_tokens = 64, .max_chunk_tokens = 64, .context_tokens = 512, .rotary_trained_tokens = 64});
  const auto cached = [&](int32_t length) {
    const auto heard = Admit(Make(Text(length), 2));
    RunAll();
    return heard->cached_tokens;
  };
  EXPECT_EQ(cached(100), 0);
  EXPECT_EQ(cached(100), 96);
  EXPECT_EQ(cached(101), 0);
  const auto long_answer = Admit(Make(Text(40, 9), 60));
  RunAll();
  auto turn = Text(40, 9);
  turn.insert(turn.end(), long_answer->outputs[0].begin(), long_answer->outputs[0].end());
  turn.resize(60);
  const auto heard = Admit(Make(turn, 2));
  RunAll();
  EXPECT_EQ(heard->cached_tokens, 48);  // blocks that end within the trained length
}

TEST_F(SchedulerTest, FewBlocksPreemptAndChangeNothing) {
  Restart({.num_blocks = 12, .max_step_tokens = 32, .max_chunk_tokens = 16, .context_tokens = 160});
  std::vector<std::pair<std::vector<TokenId>, std::shared_ptr<Heard>>> all;
  for (int32_t i = 0; i < 6; ++i) {
    auto request = Make(Text(40, i), 60);
    auto wanted = Expected(*request);
    all.emplace_back(std::move(wanted), Admit(std::move(request)));
  }
  RunAll();
  for (auto& [wanted, heard] : all) EXPECT_EQ(heard->outputs[0], wanted);
  EXPECT_GT(stats_->preemptions, 0u);
  ExpectEmpty();
}

TEST_F(SchedulerTest, SeveralSequencesShareThePromptAndDiffer) {
  auto request = Make(Text(50), 15);
  request->num_sequences = 4;
  Sample(*request, 99);
  const auto heard = Admit(std::move(request));
  RunAll();
  ASSERT_EQ(heard->outputs.size(), 4u);
  EXPECT_NE(heard->outputs[0], heard->outputs[1]);
  for (const auto& [sequence, output] : heard->outputs) EXPECT_EQ(output.size(), 15u);
  ExpectEmpty();
}

TEST_F(SchedulerTest, AResumedRequestGoesOnExactlyAtEveryCut) {
  const auto make = [&] {
    auto request = Make(Text(37), 30);
    request->num_sequences = 2;
    request->min_new_tokens = 9;
    request->stop_token_ids = {3, 4, 5};
    Sample(*request, 7);
    return request;
  };
  const auto whole = Admit(make());
  RunAll();
  for (size_t cut = 0; cut < 30; ++cut) {
    auto request = make();
    request->resume.resize(2);
    bool all_finished = true;
    for (int32_t i = 0; i < 2; ++i) {
      const auto& output = whole->outputs[i];
      ResumedSequence& resumed = request->resume[i];
      resumed.output.assign(output.begin(), output.begin() + std::min(cut, output.size()));
      resumed.finished = cut > output.size();
      all_finished = all_finished && resumed.finished;
    }
    if (all_finished) break;
    const auto resumed_copy = request->resume;
    const auto rest = Admit(std::move(request));
    RunAll();
    for (int32_t i = 0; i < 2; ++i) {
      if (resumed_copy[i].finished) {
        EXPECT_FALSE(rest->reasons.contains(i));
        continue;
      }
      std::vector<TokenId> joined = resumed_copy[i].output;
      joined.insert(joined.end(), rest->outputs[i].begin(), rest->outputs[i].end());
      EXPECT_EQ(joined, whole->outputs[i]) << cut;
      EXPECT_EQ(rest->reasons[i], whole->reasons[i]);
      EXPECT_EQ(rest->counts[i], whole->counts[i]);
      if (!rest->outputs[i].empty()) {
        EXPECT_EQ(rest->first_offset[i], static_cast<int32_t>(resumed_copy[i].output.size()));
      }
    }
  }
  ExpectEmpty();
}

TEST_F(SchedulerTest, PenaltiesSeeBosInThePromptsSteadWhereThereIsOne) {
  for (const TokenId bos : {1, -1}) {
    auto request = Make({5, 6}, 2);
    auto params = std::make_shared<SamplingParams>();
    params->repetition_penalty = 1.5;
    request->sampling = params;
    request->bos = bos;
    Admit(std::move(request));
    const StepPlan plan = scheduler_->PlanStep(clock_.Now());
    ASSERT_EQ(plan.sequences.size(), 1u);
    EXPECT_EQ(plan.sequences[0].sample->penalized, bos < 0 ? std::vector<TokenId>{} : std::vector<TokenId>{bos});
    scheduler_->Commit(plan, group_->Run(plan), clock_.Now());
    RunAll();
  }
}

TEST_F(SchedulerTest, StopTokensEndASequenceAndAreNotItsOutput) {
  auto request = Make(Text(20), 100);
  const auto free = Expected(*request);
  request->stop_token_ids = {free[5]};
  const auto first = std::ranges::find(free, free[5]) - free.begin();
  const auto heard = Admit(std::move(request));
  RunAll();
  EXPECT_EQ(heard->reasons[0], FinishReason::kStop);
  EXPECT_EQ(heard->outputs[0], std::vector<TokenId>(free.begin(), free.begin() + first));
}

TEST_F(SchedulerTest, ChoicesAreTheOnlyOutputs) {
  for (int32_t seed = 0; seed < 20; ++seed) {
    auto request = Make(Text(20, seed), 10);
    request->choices = {{1, 2, 3}, {1, 2}, {4}, {1, 5}};
    request->stop_token_ids = {0};
    request->min_new_tokens = 2;
    const auto choices = request->choices;
    const auto heard = Admit(std::move(request));
    RunAll();
    EXPECT_THAT(choices, testing::Contains(heard->outputs[0]));
    EXPECT_EQ(heard->reasons[0], FinishReason::kStop);
  }
}

TEST_F(SchedulerTest, ScoringScoresEveryTextTokenButTheFirst) {
  for (const int32_t chunk : {1, 7, 64}) {
    Restart({.num_blocks = 64, .max_step_tokens = 64, .max_chunk_tokens = chunk, .context_tokens = 512});
    auto request = Make(Text(50), 0);
    std::fill_n(request->prompt.begin() + 10, 20, kImageRow);
    request->images = {{10, 20, Key(1)}};
    request->score_only = true;
    const auto prompt = request->prompt;
    const auto heard = Admit(std::move(request));
    scheduler_->SetEmbeddingRows(Key(1), 20);
    RunAll();
    std::vector<TokenId> scored, wanted;
    for (const ScoredToken& token : heard->prompt_scores) scored.push_back(token.id);
    for (size_t i = 1; i < prompt.size(); ++i) {
      if (prompt[i] != kImageRow) wanted.push_back(prompt[i]);
    }
    EXPECT_EQ(scored, wanted);
    EXPECT_TRUE(heard->outputs.empty());
  }
}

TEST_F(SchedulerTest, CancellingFreesEverythingAtOnce) {
  std::vector<RequestId> ids;
  for (int32_t i = 0; i < 5; ++i) {
    auto request = Make(Text(60, i), 100);
    ids.push_back(request->id);
    Admit(std::move(request));
  }
  for (int i = 0; i < 8; ++i) Step();
  EXPECT_GT(stats_->used_blocks, 0);
  for (const RequestId id : ids) scheduler_->Cancel(id);
  scheduler_->Cancel(ids[0]);  // again: nothing
  ExpectEmpty();
  EXPECT_EQ(stats_->cancelled, 5u);
}

TEST_F(SchedulerTest, AStoppedSequenceLeavesItsSiblings) {
  auto request = Make(Text(20), 30);
  const RequestId id = request->id;
  request->num_sequences = 2;
  Sample(*request, 5);
  const auto heard = Admit(std::move(request));
  for (int i = 0; i < 6; ++i) Step();
  scheduler_->StopSequence(id, 0, clock_.Now());
  RunAll();
  EXPECT_EQ(heard->reasons[0], FinishReason::kStop);
  EXPECT_LT(heard->outputs[0].size(), 30u);
  EXPECT_EQ(heard->outputs[1].size(), 30u);
  ExpectEmpty();
}

TEST_F(SchedulerTest, AnErrorBelongsToOneRequest) {
  group_->FailOn(49);
  auto poison = Make({49, 1, 2}, 5);
  auto innocent = Make({1, 2, 3}, 5);
  const auto bad = Admit(std::move(poison)), good = Admit(std::move(innocent));
  for (int i = 0; i < 3; ++i) Step();
  EXPECT_EQ(bad->failure.code(), StatusCode::kInternal);
  EXPECT_TRUE(good->failure.ok());
  EXPECT_FALSE(good->outputs[0].empty());
}

TEST_F(SchedulerTest, AnAloneRequestHasItsStepsForItselfAndOthersGoOn) {
  auto request = Make(Text(30), 10);
  request->alone = true;
  const auto wanted = Expected(*request);
  const auto other = Admit(Make(Text(30, 2), 10));
  const auto alone = Admit(std::move(request));
  const auto third = Admit(Make(Text(30, 3), 10));
  int most = 0;
  group_->OnStep([&](const StepPlan& plan) { most = std::max<int>(most, static_cast<int>(plan.sequences.size())); });
  RunAll();
  EXPECT_EQ(alone->outputs[0], wanted);
  EXPECT_EQ(other->outputs[0].size(), 10u);
  EXPECT_EQ(third->outputs[0].size(), 10u);
  EXPECT_EQ(most, 2);
}

TEST_F(SchedulerTest, WhatCanNeverFitIsRefusedWithBothNumbers) {
  const auto refuse = [&](std::unique_ptr<Request> request) { return std::string(Message(Scheduler::CheckFits(*request, options_))); };
  EXPECT_THAT(refuse(Make(Text(500), 13)), testing::AllOf(testing::HasSubstr("500"), testing::HasSubstr("512")));
  EXPECT_EQ(refuse(Make(Text(500), 12)), "");
  EXPECT_NE(refuse(Make({}, 5)), "");
  EXPECT_NE(refuse(Make(Text(5), 0x7fffffff)), "");
  Restart({.num_blocks = 4, .context_tokens = 512});
  EXPECT_THAT(refuse(Make(Text(60), 10)), testing::HasSubstr("needs 5 blocks"));
}

TEST_F(SchedulerTest, InteractiveRequestsGoFirstAndBatchOnesStillRun) {
  auto batch = Make(Text(64, 1), 2), interactive = Make(Text(64, 2), 2);
  batch->priority = Priority::kBatch;
  interactive->priority = Priority::kInteractive;
  Restart({.num_blocks = 64, .max_step_tokens = 64, .max_chunk_tokens = 64, .context_tokens = 512});
  const auto last = Admit(std::move(batch)), first = Admit(std::move(interactive));
  Step();
  EXPECT_GE(first->cached_tokens, 0);
  EXPECT_EQ(last->cached_tokens, -1);
  RunAll();
  EXPECT_EQ(last->outputs[0].size(), 2u);
}

TEST_F(SchedulerTest, BeamsEqualTheSearchOverWholeSequences) {
  for (const int32_t width : {2, 3, 5}) {
    auto request = Make(Text(21, width), 8);
    auto params = std::make_shared<SamplingParams>();
    params->num_beams = width;
    request->sampling = params;
    request->num_sequences = width;
    // The same search with every beam run as a prompt of its own, step by step, and no block ever shared.
    BeamSearch search(width, 1, {});
    std::vector<std::vector<TokenId>> outputs = {{}};
    for (int i = 0; i < 8; ++i) {
      std::vector<std::vector<TokenLogprob>> candidates;
      for (const auto& output : outputs) {
        fakes::FakeShardGroup fresh(64, kVocab);
        SequenceStep step;
        step.tokens = request->prompt;
        step.tokens.insert(step.tokens.end(), output.begin(), output.end());
        for (BlockId block = 0; block < 8; ++block) step.blocks.push_back(block);
        step.sample = SampleRequest{.params = params, .num_candidates = 2 * width};
        candidates.push_back(fresh.Run({.step = 1, .sequences = {step}}).sequences[0].candidates);
      }
      std::vector<std::vector<TokenId>> next;
      for (const auto& beam : search.Advance(outputs, candidates)) {
        next.push_back(outputs[beam.parent]);
        next.back().push_back(beam.token);
      }
      outputs = next;
    }
    const auto wanted = search.Finish(outputs, width);
    const auto heard = Admit(std::move(request));
    RunAll();
    for (int32_t i = 0; i < width; ++i) {
      EXPECT_EQ(heard->outputs[i], wanted[i].output);
      EXPECT_DOUBLE_EQ(heard->scores[i], wanted[i].score);
    }
    ExpectEmpty();
  }
}

TEST_F(SchedulerTest, RandomOperationsKeepEveryInvariant) {
  for (int32_t seed = 0; seed < 12; ++seed) {
    std::mt19937 random(seed);
    Restart({.num_blocks = 24, .max_sequences = 6, .max_step_tokens = 40, .max_chunk_tokens = 1 + seed * 3, .context_tokens = 200});
    std::vector<std::tuple<RequestId, std::vector<TokenId>, std::shared_ptr<Heard>>> plain;
    std::vector<RequestId> ids;
    for (int operation = 0; operation < 400; ++operation) {
      const uint32_t dice = random() % 10;
      if (dice < 2) {
        auto request = Make(Text(1 + random() % 90, random() % 4), 1 + random() % 30);
        request->priority = static_cast<Priority>(random() % 3);
        request->alone = random() % 10 == 0;
        const RequestId id = request->id;
        ids.push_back(id);
        if (random() % 3 == 0) {
          request->num_sequences = 1 + random() % 3;
          Sample(*request, random());
          Admit(std::move(request));
        } else if (random() % 4 == 0) {
          auto params = std::make_shared<SamplingParams>();
          params->num_beams = 2;
          request->sampling = params;
          request->max_new_tokens = std::min(request->max_new_tokens, 8);
          Admit(std::move(request));
        } else {
          auto wanted = Expected(*request);
          plain.emplace_back(id, std::move(wanted), Admit(std::move(request)));
        }
      } else if (dice == 2 && !ids.empty()) {
        const RequestId id = ids[random() % ids.size()];
        scheduler_->Cancel(id);
        std::erase_if(plain, [&](const auto& entry) { return std::get<0>(entry) == id && std::get<2>(entry)->reasons.empty(); });
      } else {
        Step();
      }
      ASSERT_EQ(stats_->used_blocks + stats_->free_blocks, options_.num_blocks);
    }
    RunAll();
    for (auto& [id, wanted, heard] : plain) EXPECT_EQ(heard->outputs[0], wanted) << "seed " << seed;
    ExpectEmpty();
  }
}

}  // namespace
}  // namespace triptych::engine
