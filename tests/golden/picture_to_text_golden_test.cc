// The whole of a worker without its network: picture files through decoder, tower and projector into an embedding store, prompts through the
// engine over tensor-parallel ranks, and the reference's tokens out. Every golden set, from its own checkpoint.
#include <filesystem>
#include <fstream>
#include <future>
#include <map>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>

#include "common/limits.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/golden/golden_set.h"
#include "worker/comm/gloo.h"
#include "worker/comm/local.h"
#include "worker/comm/local_rendezvous.h"
#include "worker/engine/engine_loop.h"
#include "worker/model/registry.h"
#include "worker/shard/rank_group.h"
#include "worker/shard/store_embedding_source.h"
#include "worker/vision/embedding_store.h"
#include "worker/vision/image_decoder.h"
#include "worker/vision/registry.h"
#include "worker/vision/tiled_encoder.h"
#include "worker/vision/xcomposer_encoder.h"
#include "worker/weights/safetensors_file.h"
#include "worker/weights/weight_loader.h"

namespace triptych::golden {
namespace {

constexpr double kVisionTolerance = 1e-4;
constexpr double kLogprobTolerance = 1e-3;
constexpr int32_t kNumBlocks = 1200;

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

nlohmann::json Manifest(const std::string& folder) { return nlohmann::json::parse(ReadFile(folder + "/manifest.json")); }

// What the reference gave the projector: features of one tile, or of all with the separators between them, or what was sampled of them.
at::Tensor ProjectorInput(vision::VisionEncoder& encoder, const vision::PreparedImage& image, const at::Tensor& features) {
  if (const auto* tiled = dynamic_cast<const vision::TiledEncoder*>(&encoder)) return tiled->Arrange(image, features);
  if (const auto* sampling = dynamic_cast<const vision::XComposerEncoder*>(&encoder)) return sampling->Sample(features);
  return features[0];
}

double MaxDifference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

at::Tensor Pixels(const std::string& path) {
  const std::string file = ReadFile(path);
  auto rgb = vision::DecodeImage({reinterpret_cast<const uint8_t*>(file.data()), file.size()}, RequestLimits{});
  EXPECT_TRUE(rgb.ok()) << path << ": " << rgb.status();
  return *rgb;
}

class VisionGoldenTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto loader = weights::LoadCheckpoint(GetParam());
    ASSERT_TRUE(loader.ok()) << loader.status();
    auto encoder = vision::LoadVisionEncoder(GetParam(), **loader, at::kCPU);
    ASSERT_TRUE(encoder.ok()) << encoder.status();
    encoder_ = *std::move(encoder);
  }
  std::unique_ptr<vision::VisionEncoder> encoder_;
};

TEST_P(VisionGoldenTest, PreprocessingIsExactAndTowerAndProjectorAreTheReferences) {
  const nlohmann::json manifest = Manifest(GetParam());  // outlives the loop over a part of it
  for (const auto& entry : manifest["cases"]) {
    const auto file = weights::OpenSafetensors(GetParam() + "/" + entry["file"].get<std::string>());
    ASSERT_TRUE(file.ok());
    for (size_t i = 0; i < entry["images"].size(); ++i) {
      const at::Tensor rgb = Pixels(GetParam() + "/" + entry["images"][i].get<std::string>());
      const int32_t max_tiles = MaxTilesOf(entry);
      auto prepared = encoder_->Prepare(rgb, max_tiles);
      ASSERT_TRUE(prepared.ok()) << prepared.status();
      // The reference's picture after resizing is its own size: preparing it again must change nothing.
      auto again = encoder_->Prepare(Pixels(GetParam() + "/" + entry["preprocessed_png"][i].get<std::string>()), max_tiles);
      ASSERT_TRUE(again.ok());
      EXPECT_TRUE(at::equal(prepared->tiles, again->tiles)) << entry["id"];
      if (file->Find(fmt::format("pixel_values{}", i)) != nullptr) {
        EXPECT_TRUE(at::equal(prepared->tiles[0], *file->Read(fmt::format("pixel_values{}", i)))) << entry["id"];
      }
      const at::Tensor features = encoder_->Tower(prepared->tiles);
      const auto expect_close = [&](const at::Tensor& got, const std::string& name) {
        if (file->Find(name) == nullptr) return;
        EXPECT_LT(MaxDifference(got, *file->Read(name)), kVisionTolerance) << entry["id"] << " " << name;
      };
      expect_close(features[0], fmt::format("vit_out{}", i));
      for (const char* name : {"tower_out", "qformer_out"}) {
        expect_close(ProjectorInput(*encoder_, *prepared, features), fmt::format("{}{}", name, i));
      }
      const at::Tensor rows = encoder_->Project(*prepared, features);
      const std::string rows_name = ImageRowsName(*file, i);
      ASSERT_NE(rows_name, "");
      expect_close(rows, rows_name);
      EXPECT_EQ(rows.size(0), entry["image_rows"][i].get<int64_t>());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, VisionGoldenTest, testing::ValuesIn(GoldenFolders({"InternLMXComposer", "internlmxcomposer2", "llava"})), [](const auto& info) {
  std::string name = std::filesystem::path(info.param).filename();
  std::replace_if(name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
});

// How one request ended.
struct Outcome final : engine::RequestSink {
  void OnAdmitted(int32_t cached) override { cached_tokens = cached; }
  void OnProgress(int32_t, int32_t) override {}
  void OnTokens(int32_t sequence, int32_t, std::vector<engine::ScoredToken> tokens) override {
    for (const engine::ScoredToken& token : tokens) outputs[sequence].push_back(token.id);
  }
  void OnFinished(int32_t, engine::FinishReason, int32_t, double, std::vector<engine::ScoredToken> prompt_scores, engine::RequestTimings) override {
    scores = std::move(prompt_scores);
    if (++finished == expected) done.set_value(OkStatus());
  }
  void OnFailed(Status why) override { done.set_value(why); }
  Status Wait() { return done.get_future().get(); }

  int32_t expected = 1, finished = 0, cached_tokens = -1;
  std::map<int32_t, std::vector<TokenId>> outputs;
  std::vector<engine::ScoredToken> scores;
  std::promise<Status> done;
};

struct Setting {
  std::string folder;
  int tensor_parallel;
  int32_t chunk;
  bool gloo;  // ranks as if in different processes
};

class EngineGoldenTest : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    const Setting& setting = GetParam();
    loader_ = *weights::LoadCheckpoint(setting.folder);
    const auto facts = model::DescribeModel(setting.folder, setting.tensor_parallel, at::kFloat);
    ASSERT_TRUE(facts.ok()) << facts.status();
    StartGroup(*facts);
    StartEngine(*facts);
    LoadPrompts(static_cast<int32_t>(facts->hidden_size));
  }

  void StartGroup(const model::ModelFacts& facts) {
    const Setting& setting = GetParam();
    store_ = std::make_unique<vision::EmbeddingStore>(64 << 20, facts.hidden_size, vision::EmbeddingStore::Observer{});
    source_ = std::make_unique<shard::StoreEmbeddingSource>(store_.get());
    local_ = comm::MakeLocalGroup(setting.tensor_parallel);
    shard::RankParts parts{.embeddings = source_.get(), .hidden_size = facts.hidden_size};
    parts.make_communicator = [this, &setting](int rank) -> StatusOr<std::unique_ptr<comm::Communicator>> {
      if (!setting.gloo) return std::move(local_[rank]);
      return comm::ConnectGloo({.rank = rank, .size = setting.tensor_parallel}, &rendezvous_);
    };
    parts.make_runner = [this, &setting](comm::Communicator& communicator, at::Device device) {
      return model::MakeModelRunner(setting.folder, *loader_, kNumBlocks, {.communicator = &communicator, .device = device});
    };
    group_ = std::make_unique<shard::RankGroup>(
        shard::RankGroupOptions{.world_size = setting.tensor_parallel,
                                .num_ranks = setting.tensor_parallel,
                                .bounds = {.num_blocks = kNumBlocks, .vocab_size = static_cast<int32_t>(facts.vocab_size), .num_adapters = 3},
                                .collective_stall = std::chrono::minutes(2)},
        parts, &clock_);
    const Status started = group_->Start();
    ASSERT_TRUE(started.ok()) << started;
  }

  void StartEngine(const model::ModelFacts& facts) {
    const engine::EngineOptions options{.num_blocks = kNumBlocks,
                                        .max_sequences = 32,
                                        .max_step_tokens = std::max(GetParam().chunk, 64),
                                        .max_chunk_tokens = GetParam().chunk,
                                        .context_tokens = static_cast<int32_t>(facts.context_tokens),
                                        .rotary_trained_tokens = static_cast<int32_t>(facts.rotary_trained_tokens)};
    engine_ = std::make_unique<engine::EngineLoop>(options, group_.get(), &clock_, nullptr);
    ASSERT_TRUE(engine_->Start().ok());
  }

  // Prompts of all cases, their pictures encoded from the files.
  void LoadPrompts(int32_t hidden_size) {
    cases_ = *LoadGoldenCases(GetParam().folder);
    const auto entries = Manifest(GetParam().folder)["cases"];
    for (size_t c = 0; c < cases_.size(); ++c) {
      const auto entry = std::ranges::find_if(entries, [&](const auto& e) { return e["id"] == cases_[c].name; });
      ASSERT_NE(entry, entries.end());
      reference_.push_back(entry->value("generate", nlohmann::json::object()));
      std::vector<KeyedSpan> images;
      const std::vector<TokenId>& ids = cases_[c].prompt.tokens;
      auto from = ids.begin();
      for (const auto& name : (*entry)["images"]) {
          const auto encoder = vision::LoadVisionEncoder(GetParam().folder, *loader_, at::kCPU);
          ASSERT_TRUE(encoder.ok()) << encoder.status();
        const auto prepared = (*encoder)->Prepare(Pixels(GetParam().folder + "/" + name.get<std::string>()), cases_[c].max_tiles[images.size()]);
        const at::Tensor rows = (*encoder)->Project(*prepared, (*encoder)->Tower(prepared->tiles));
        EmbeddingKey key;
        key.digest = {static_cast<uint8_t>(c + 1), static_cast<uint8_t>(images.size())};
        pins_.push_back(*store_->Reserve(key, static_cast<int32_t>(rows.size(0))));
        ASSERT_TRUE(store_->Append(key, 0, rows).ok());
        ASSERT_EQ(rows.size(1), hidden_size);
        from = std::find(from, ids.end(), kImageRow);
        images.push_back({static_cast<int32_t>(from - ids.begin()), static_cast<int32_t>(rows.size(0)), key});
        from += rows.size(0);
      }
      images_.push_back(std::move(images));
    }
  }

  std::shared_ptr<Outcome> Submit(size_t c, int32_t max_new, engine::SamplingParams params, std::vector<TokenId> stop_ids, bool score_only = false) {
    auto request = std::make_unique<engine::Request>();
    request->id = next_id_++;
    request->prompt = cases_[c].prompt.tokens;
    request->prompt.resize(cases_[c].prompt.prompt_tokens);
    request->images = images_[c];
    request->adapter = cases_[c].adapter;
    request->prefix_salt = fmt::format("adapter {}", request->adapter);
    request->sampling = std::make_shared<engine::SamplingParams>(params);
    request->max_new_tokens = max_new;
    request->stop_token_ids = std::move(stop_ids);
    request->score_only = score_only;
    request->penalty_sees_prompt = cases_[c].penalty_sees_prompt;
    auto outcome = std::make_shared<Outcome>();
    const Status submitted = engine_->Submit(std::move(request), outcome);
    EXPECT_TRUE(submitted.ok()) << submitted;
    for (const KeyedSpan& image : images_[c]) engine_->OnEmbeddingRows(image.key, image.rows);
    return outcome;
  }

  void ExpectScores(size_t c, const Outcome& outcome) const {
    const at::Tensor logits = cases_[c].logits.to(at::kDouble);
    const at::Tensor wanted = logits - logits.logsumexp(-1, /*keepdim=*/true);
    size_t next = 0;
    for (int32_t i = 1; i < cases_[c].prompt.prompt_tokens; ++i) {
      const TokenId id = cases_[c].prompt.tokens[i];
      if (id == kImageRow) continue;
      ASSERT_LT(next, outcome.scores.size());
      EXPECT_NEAR(outcome.scores[next++].logprob, wanted[i - 1][id].item<double>(), kLogprobTolerance) << cases_[c].name;
    }
    EXPECT_EQ(next, outcome.scores.size());
  }

  SteadyClock clock_;
  comm::LocalRendezvous rendezvous_;
  std::unique_ptr<weights::WeightLoader> loader_;
  std::unique_ptr<vision::EmbeddingStore> store_;
  std::vector<vision::EmbeddingStore::Pin> pins_;
  std::unique_ptr<shard::StoreEmbeddingSource> source_;
  std::vector<std::unique_ptr<comm::Communicator>> local_;
  std::unique_ptr<shard::RankGroup> group_;
  std::unique_ptr<engine::EngineLoop> engine_;
  std::vector<GoldenCase> cases_;
  std::vector<nlohmann::json> reference_;  // what the official generate() gave, by case
  std::vector<std::vector<KeyedSpan>> images_;
  engine::RequestId next_id_ = 1;
};

TEST_P(EngineGoldenTest, GreedyTokensAndPromptScoresAloneColdAndHot) {
  for (size_t c = 0; c < cases_.size(); ++c) {
    for (const bool hot : {false, true}) {
      const auto greedy = Submit(c, 32, {}, {});
      ASSERT_TRUE(greedy->Wait().ok());
      EXPECT_EQ(greedy->outputs[0], cases_[c].greedy_ids) << cases_[c].name << (hot ? " hot" : " cold");
      EXPECT_EQ(greedy->cached_tokens > 0, hot);
    }
    const auto scored = Submit(c, 0, {}, {}, /*score_only=*/true);
    ASSERT_TRUE(scored->Wait().ok());
    ExpectScores(c, *scored);
  }
}

TEST_P(EngineGoldenTest, SixteenMixedRequestsAtOnceGiveTheSame) {
  std::vector<std::pair<size_t, std::shared_ptr<Outcome>>> greedy, scored;
  for (size_t i = 0; i < 16; ++i) {
    const size_t c = i % cases_.size();
    if (i % 4 == 3) {
      scored.emplace_back(c, Submit(c, 0, {}, {}, /*score_only=*/true));
    } else {
      greedy.emplace_back(c, Submit(c, 32, {}, {}));
    }
  }
  for (const auto& [c, outcome] : greedy) {
    ASSERT_TRUE(outcome->Wait().ok());
    EXPECT_EQ(outcome->outputs[0], cases_[c].greedy_ids) << cases_[c].name;
  }
  for (const auto& [c, outcome] : scored) {
    ASSERT_TRUE(outcome->Wait().ok());
    ExpectScores(c, *outcome);
  }
}

// Repetition penalty and beams, token for token as the official generate(); its lists begin with a BOS and may end with a stop token.
TEST_P(EngineGoldenTest, PenaltiesAndBeamsAreTheOfficialGenerates) {
  const auto stop_ids = Manifest(GetParam().folder)["stop_ids"].get<std::vector<TokenId>>();
  for (size_t c = 0; c < cases_.size(); ++c) {
    for (const auto& [name, run] : reference_[c].items()) {
      engine::SamplingParams params;
      params.num_beams = run.value("num_beams", 1);
      params.repetition_penalty = run.value("repetition_penalty", 1.0f);
      params.length_penalty = run.value("length_penalty", 1.0f);
      const auto outcome = Submit(c, run["max_new_tokens"], params, stop_ids);
      ASSERT_TRUE(outcome->Wait().ok());
      auto wanted = run["ids"].get<std::vector<TokenId>>();
      wanted.erase(wanted.begin());
      const bool stopped = !wanted.empty() && std::ranges::find(stop_ids, wanted.back()) != stop_ids.end();
      if (stopped) wanted.pop_back();
      EXPECT_EQ(outcome->outputs[0], wanted) << cases_[c].name << " " << name;
    }
  }
}

std::vector<Setting> Settings() {
  std::vector<Setting> settings;
  for (const std::string& folder : GoldenFolders({"InternLMXComposer", "internlmxcomposer2", "internlm2", "llama", "llava"})) {
    if (!IsPlain(folder)) {
      settings.push_back({folder, 1, 500, false});
      settings.push_back({folder, 2, 4096, true});
      settings.push_back({folder, 4, 4096, false});
      continue;
    }
    for (const int32_t chunk : {7, 64, 4096}) settings.push_back({folder, 1, chunk, false});
    settings.push_back({folder, 2, 64, false});
    settings.push_back({folder, 2, 4096, true});
    settings.push_back({folder, 4, 4096, false});
  }
  return settings;
}

INSTANTIATE_TEST_SUITE_P(Sets, EngineGoldenTest, testing::ValuesIn(Settings()), [](const auto& info) {
  std::string name = std::filesystem::path(info.param.folder).filename();
  std::replace_if(name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return fmt::format("{}_tp{}_chunk{}{}", name, info.param.tensor_parallel, info.param.chunk, info.param.gloo ? "_gloo" : "");
});

}  // namespace
}  // namespace triptych::golden
