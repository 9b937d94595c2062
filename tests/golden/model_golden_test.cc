// The language model against the reference's numbers: logits at every position, the greedy
// continuation, and that no bit hangs on how the work is cut into steps.

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <numeric>
#include <string>
#include <thread>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/log_softmax.h>

#include "gtest/gtest.h"
#include "tests/fakes/direct_channel.h"
#include "tests/fakes/fake_embedding_source.h"
#include "tests/fakes/model_crew.h"
#include "tests/golden/golden_set.h"
#include "worker/comm/gloo.h"
#include "worker/comm/local.h"
#include "worker/comm/local_rendezvous.h"
#include "worker/model/registry.h"
#include "worker/shard/distributed_shard_group.h"
#include "worker/shard/follower_loop.h"
#include "worker/shard/rank_group.h"
#include "worker/weights/weight_loader.h"

namespace triptych::golden {
namespace {

using engine::LogitsWanted;

constexpr double kLogitTolerance = 2e-3;
constexpr double kLogprobTolerance = 1e-3;
constexpr int64_t kNumBlocks = 256;

struct Setting {
  std::string folder;
  int tensor_parallel;
};

std::vector<Setting> Settings() {
  std::vector<Setting> settings;
  for (const std::string& folder : GoldenFolders({"InternLMXComposer", "internlmxcomposer2", "internlm2", "llama", "llava"})) {
    for (const int tensor_parallel : {1, 2, 3, 4}) {
      if (tensor_parallel != 3 || IsPlain(folder)) settings.push_back({folder, tensor_parallel});
    }
  }
  return settings;
}

double MaxDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

class ModelGoldenTest : public ::testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    auto cases = LoadGoldenCases(GetParam().folder);
    ASSERT_TRUE(cases.ok()) << cases.status();
    ASSERT_FALSE(cases->empty());
    cases_ = *std::move(cases);
    auto model = fakes::ModelCrew::Load(GetParam().folder, GetParam().tensor_parallel, kNumBlocks);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
  }
  at::Tensor Whole(const fakes::ScriptedSequence& sequence) {
    return fakes::RunInChunks(*model_, sequence, static_cast<int32_t>(sequence.tokens.size()));
  }

  std::vector<GoldenCase> cases_;
  std::unique_ptr<fakes::ModelCrew> model_;
};

TEST_P(ModelGoldenTest, LogitsAreTheReferences) {
  for (const GoldenCase& golden : cases_) {
    const at::Tensor logits = Whole(golden.prompt);
    EXPECT_LT(MaxDifference(logits, golden.logits), kLogitTolerance) << golden.name;
    EXPECT_LT(MaxDifference(at::log_softmax(logits, -1), at::log_softmax(golden.logits, -1)),
              kLogprobTolerance)
        << golden.name;
  }
}

TEST_P(ModelGoldenTest, NoBitHangsOnChunks) {
  const bool is_plain = IsPlain(GetParam().folder);
  for (const GoldenCase& golden : cases_) {
    const at::Tensor whole = Whole(golden.prompt);
    for (const int32_t chunk : is_plain ? std::vector{1, 7, 64} : std::vector{29, 400}) {
      EXPECT_TRUE(at::equal(fakes::RunInChunks(*model_, golden.prompt, chunk), whole))
          << golden.name << " " << chunk;
    }
  }
}

TEST_P(ModelGoldenTest, GreedyTokensAreTheReferencesAndDecodeStepsGivePrefillsBits) {
  for (const GoldenCase& golden : cases_) {
    fakes::ScriptedSequence sequence = golden.prompt;
    std::vector<at::Tensor> stepwise = {Whole(sequence)};
    for (const TokenId wanted : golden.greedy_ids) {
      ASSERT_EQ(stepwise.back()[-1].argmax().item<int64_t>(), wanted) << golden.name;
      sequence.tokens.push_back(wanted);
      const auto size = static_cast<int32_t>(sequence.tokens.size());
      engine::StepPlan plan;
      plan.sequences.push_back(sequence.Step(size - 1, size, LogitsWanted::kLast));
      stepwise.push_back(model_->Forward(plan));
    }
    EXPECT_TRUE(at::equal(Whole(sequence), at::cat(stepwise))) << golden.name;
  }
}

TEST_P(ModelGoldenTest, NoBitHangsOnTheBatch) {
  engine::StepPlan chunks, rest;  // two steps that cut each case at another place
  std::vector<at::Tensor> first_rows, rest_rows;
  std::vector<at::Tensor> wanted_first, wanted_rest;
  engine::BlockId next_block = 0;
  for (GoldenCase& golden : cases_) {
    fakes::ScriptedSequence& sequence = golden.prompt;
    const at::Tensor whole = Whole(sequence);
    sequence.id = chunks.sequences.size() + 1;
    std::iota(sequence.blocks.begin(), sequence.blocks.end(), next_block);
    next_block += static_cast<engine::BlockId>(sequence.blocks.size());
    const auto size = static_cast<int32_t>(sequence.tokens.size());
    const int32_t cut = size / 3 * static_cast<int32_t>(sequence.id % 3) + 5;
    chunks.sequences.push_back(sequence.Step(0, cut, LogitsWanted::kAll));
    rest.sequences.push_back(sequence.Step(cut, size, LogitsWanted::kAll));
    wanted_first.push_back(whole.narrow(0, 0, cut));
    wanted_rest.push_back(whole.narrow(0, cut, size - cut));
    if (const at::Tensor rows = sequence.ImageRows(0, cut); rows.defined()) {
      first_rows.push_back(rows);
    }
    if (const at::Tensor rows = sequence.ImageRows(cut, size); rows.defined()) {
      rest_rows.push_back(rows);
    }
  }
  ASSERT_LE(next_block, kNumBlocks);
  const auto join = [](const std::vector<at::Tensor>& rows) {
    return rows.empty() ? at::Tensor() : at::cat(rows);
  };
  EXPECT_TRUE(at::equal(model_->Forward(chunks, join(first_rows)), at::cat(wanted_first)));
  EXPECT_TRUE(at::equal(model_->Forward(rest, join(rest_rows)), at::cat(wanted_rest)));
}

// How the ranks of a group are spread.
enum class Spread {
  kOneProcess,         // rank threads over shared memory
  kLeaderAndFollower,  // a leader and a follower over Gloo and encoded plans, which has half of the
                       // ranks or one more
};

struct GroupSetting {
  Setting model;
  Spread spread;
};

std::vector<GroupSetting> GroupSettings() {
  std::vector<GroupSetting> settings;
  for (const Setting& model : Settings()) {
    settings.push_back({model, Spread::kOneProcess});
    const bool splits = model.tensor_parallel == 2 || (model.tensor_parallel > 1 && IsPlain(model.folder));
    if (splits) settings.push_back({model, Spread::kLeaderAndFollower});
  }
  return settings;
}

// The whole of a shard group: its threads, the sampler, pictures from a source.
class GroupGoldenTest : public ::testing::TestWithParam<GroupSetting> {
 protected:
  void SetUp() override {
    const std::string& folder = GetParam().model.folder;
    auto cases = LoadGoldenCases(folder);
    ASSERT_TRUE(cases.ok()) << cases.status();
    cases_ = *std::move(cases);
    for (size_t i = 0; i < cases_.size(); ++i) cases_[i].prompt.id = i + 1;
    auto loader = weights::LoadCheckpoint(folder);
    ASSERT_TRUE(loader.ok()) << loader.status();
    loader_ = *std::move(loader);
    if (GetParam().spread == Spread::kOneProcess) {
      StartInOneProcess();
    } else {
      StartLeaderAndFollower();
    }
  }

  int size() const { return GetParam().model.tensor_parallel; }
  shard::RankGroupOptions Options(int first_rank, int num_ranks) const {
    return {.world_size = size(),
            .first_rank = first_rank,
            .num_ranks = num_ranks,
            .bounds = {.num_blocks = kNumBlocks, .vocab_size = 1 << 20, .num_adapters = 3},
            .collective_stall = std::chrono::minutes(1)};
  }
  shard::RankParts Parts() {
    shard::RankParts parts{.embeddings = &pictures_};
    for (const GoldenCase& golden : cases_) {
      if (golden.prompt.image_rows.defined()) parts.hidden_size = golden.prompt.image_rows.size(1);
    }
    parts.make_runner = [this](comm::Communicator& communicator, at::Device device) {
      return model::MakeModelRunner(GetParam().model.folder,
                                    *loader_,
                                    kNumBlocks,
                                    {.communicator = &communicator, .device = device});
    };
    return parts;
  }
  void StartInOneProcess() {
    communicators_ = comm::MakeLocalGroup(size());
    shard::RankParts parts = Parts();
    parts.make_communicator = [this](int rank) {
      return StatusOr<std::unique_ptr<comm::Communicator>>(std::move(communicators_[rank]));
    };
    group_ = std::make_unique<shard::RankGroup>(Options(0, size()), parts, &clock_);
    const Status status = group_->Start();
    ASSERT_TRUE(status.ok()) << status;
  }
  void StartLeaderAndFollower() {
    shard::RankParts parts = Parts();
    parts.make_communicator = [this](int rank) {
      return comm::ConnectGloo({.rank = rank, .size = size()}, &rendezvous_);
    };
    const int half = size() / 2;
    follower_ = std::make_unique<shard::FollowerLoop>(
        Options(half, size() - half),
        parts,
        shard::FollowerLoop::Events{.on_step_done = [](uint64_t) {},
                                    .on_failed = [](const Status&) {}},
        &clock_);
    std::vector<std::unique_ptr<shard::PlanChannel>> channels;
    channels.push_back(std::make_unique<fakes::DirectChannel>(follower_.get()));
    group_ = std::make_unique<shard::DistributedShardGroup>(
        Options(0, half), parts, std::move(channels), &clock_);
    std::thread thread([this] {
      const Status status = follower_->Start();
      EXPECT_TRUE(status.ok()) << status;
    });
    const Status status = group_->Start();
    thread.join();
    ASSERT_TRUE(status.ok()) << status;
  }

  // The step that runs tokens [begin, end), with its pictures' places.
  engine::SequenceStep Step(const GoldenCase& golden,
                            int32_t begin,
                            int32_t end,
                            LogitsWanted logits) {
    engine::SequenceStep step = golden.prompt.Step(begin, end, logits);
    const EmbeddingKey key{.digest = {static_cast<uint8_t>(golden.prompt.id)}};
    if (golden.prompt.image_rows.defined()) pictures_.Put(key, golden.prompt.image_rows);
    int32_t row = 0;
    for (int32_t i = 0; i < end; ++i) {
      if (golden.prompt.tokens[i] != kImageRow) continue;
      if (i >= begin) step.images.push_back({i - begin, 1, row, key});
      ++row;
    }
    return step;
  }
  engine::SequenceResult Run(engine::SequenceStep step) {
    auto plan = std::make_shared<engine::StepPlan>();
    plan->step = ++steps_;
    plan->sequences.push_back(std::move(step));
    group_->Submit(plan);
    auto result = group_->Await();
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok()) return {};
    EXPECT_EQ(result->sequences.at(0).error, "");
    return result->sequences.at(0);
  }

  // The tokens that follow the case's prompt, greedily.
  std::vector<TokenId> Generate(GoldenCase golden, size_t count, float repetition_penalty) {
    constexpr TokenId kBos = 1;
    engine::SampleRequest request{
        .params = std::make_shared<engine::SamplingParams>(
            engine::SamplingParams{.repetition_penalty = repetition_penalty}),
        .penalized = {kBos}};
    if (golden.penalty_sees_prompt) {
      request.penalized.clear();
      std::ranges::copy_if(golden.prompt.tokens,
                           std::back_inserter(request.penalized),
                           [](TokenId id) { return id != kImageRow; });
    }
    std::vector<TokenId> chosen;
    int32_t begin = 0;
    while (chosen.size() < count) {
      const auto end = static_cast<int32_t>(golden.prompt.tokens.size());
      engine::SequenceStep step = Step(golden, begin, end, LogitsWanted::kLast);
      step.sample = request;
      const engine::SequenceResult result = Run(std::move(step));
      if (!result.chosen) break;
      chosen.push_back(result.chosen->id);
      request.penalized.push_back(result.chosen->id);
      golden.prompt.tokens.push_back(result.chosen->id);
      begin = end;
    }
    return chosen;
  }

  SteadyClock clock_;
  std::vector<GoldenCase> cases_;
  fakes::FakeEmbeddingSource pictures_;
  std::unique_ptr<weights::WeightLoader> loader_;
  std::vector<std::unique_ptr<comm::Communicator>> communicators_;
  comm::LocalRendezvous rendezvous_;
  std::unique_ptr<shard::FollowerLoop> follower_;
  std::unique_ptr<engine::ShardGroup> group_;
  uint64_t steps_ = 0;
};

TEST_P(GroupGoldenTest, GreedyTokensAreTheReferences) {
  for (const GoldenCase& golden : cases_) {
    EXPECT_EQ(Generate(golden, golden.greedy_ids.size(), /*repetition_penalty=*/1),
              golden.greedy_ids)
        << golden.name;
  }
}

TEST_P(GroupGoldenTest, PenalizedTokensAreTheReferences) {
  for (const GoldenCase& golden : cases_) {
    EXPECT_EQ(Generate(golden, golden.penalized_ids.size(), golden.repetition_penalty),
              golden.penalized_ids)
        << golden.name;
  }
}

TEST_P(GroupGoldenTest, PromptScoresAreTheReferences) {
  for (GoldenCase& golden : cases_) {
    const auto end = static_cast<int32_t>(golden.prompt.tokens.size());
    engine::SequenceStep step = Step(golden, 0, end, LogitsWanted::kAll);
    step.targets.assign(golden.prompt.tokens.begin() + 1, golden.prompt.tokens.end());
    step.targets.push_back(kImageRow);
    const std::vector<TokenId> targets = step.targets;
    const engine::SequenceResult result = Run(std::move(step));
    const at::Tensor wanted = at::log_softmax(golden.logits, -1);
    size_t next = 0;
    for (int32_t i = 0; i < end; ++i) {
      if (targets[i] == kImageRow) continue;
      ASSERT_LT(next, result.scored.size());
      EXPECT_EQ(result.scored[next].id, targets[i]);
      EXPECT_NEAR(
          result.scored[next++].logprob, wanted[i][targets[i]].item<double>(), kLogprobTolerance)
          << golden.name << " " << i;
    }
    EXPECT_EQ(next, result.scored.size());
  }
}

std::string NameOf(const Setting& setting) {
  std::string name = std::filesystem::path(setting.folder).filename();
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return fmt::format("{}_tp{}", name, setting.tensor_parallel);
}

INSTANTIATE_TEST_SUITE_P(Sets,
                         ModelGoldenTest,
                         ::testing::ValuesIn(Settings()),
                         [](const auto& info) { return NameOf(info.param); });
INSTANTIATE_TEST_SUITE_P(Sets,
                         GroupGoldenTest,
                         ::testing::ValuesIn(GroupSettings()),
                         [](const auto& info) {
                           const bool is_one = info.param.spread == Spread::kOneProcess;
                           return NameOf(info.param.model) + (is_one ? "" : "_leader_and_follower");
                         });

}  // namespace
}  // namespace triptych::golden
