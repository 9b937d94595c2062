#include "worker/process/memory_report.h"

#include <algorithm>

#include "common/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/rank_crew.h"
#include "worker/kernels/memory_meter.h"
#include "worker/model/registry.h"
#include "worker/process/dummy_shapes.h"
#include "worker/quantization/scheme.h"
#include "worker/vision/registry.h"
#include "worker/weights/dummy_loader.h"

namespace triptych::worker {
namespace {

constexpr int32_t kBlocks = 3;
const std::string kData = TRIPTYCH_TEST_DATA;

WorkerConfig ConfigOf(const std::string& model, int32_t tensor_parallel, const std::string& weights) {
  WorkerConfig config{.roles = {"decoder"}, .model = model};
  config.weights = weights;
  config.tensor_parallel = config.num_ranks = tensor_parallel;
  config.kv_blocks = kBlocks;
  return config;
}

weights::DummyLoader RandomWeights(const std::string& model) {
  const auto facts = model::DescribeModel(model, /*tensor_parallel=*/1, at::kFloat);
  TRIPTYCH_CHECK(facts.ok());
  return weights::DummyLoader(*DummyShapes(facts->family, model));
}

// What ranks hold that were really loaded, in rank order.
std::vector<MemoryReport::Rank> LoadedRanks(const WorkerConfig& config) {
  const weights::DummyLoader loader = RandomWeights(config.model);
  std::vector<MemoryReport::Rank> ranks(config.tensor_parallel);
  fakes::RankCrew(config.tensor_parallel).Run([&](comm::Communicator& communicator) {
    const kernels::MemoryMeter meter;
    const auto runner = model::MakeModelRunner(
        config.model, loader, kBlocks,
        {.communicator = &communicator, .quantization = *quantization::ParseWeights(config.weights)});
    TRIPTYCH_CHECK(runner.ok());
    ranks[communicator.rank()] = {communicator.rank(), meter.weight_bytes(), meter.kv_bytes()};
  });
  return ranks;
}

std::string NameOfModel(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

class GoldenMemoryTest : public testing::TestWithParam<const char*> {};

TEST_P(GoldenMemoryTest, ItIsWhatLoadingTakes) {
  const std::string model = kData + "/golden/" + GetParam();
  for (const char* weights : {"stored", "int8", "int4"}) {
    for (const int32_t tensor_parallel : {1, 2}) {
      const WorkerConfig config = ConfigOf(model, tensor_parallel, weights);
      const auto report = MeasureMemory(config);
      ASSERT_TRUE(report.ok()) << report.status();
      EXPECT_FALSE(report->encoder_bytes.has_value());
      const std::vector<MemoryReport::Rank> loaded = LoadedRanks(config);
      ASSERT_EQ(report->ranks.size(), loaded.size());
      for (size_t i = 0; i < loaded.size(); ++i) {
        EXPECT_EQ(report->ranks[i].rank, loaded[i].rank);
        EXPECT_EQ(report->ranks[i].weight_bytes, loaded[i].weight_bytes) << weights << ", rank " << i;
        EXPECT_EQ(report->ranks[i].kv_bytes, loaded[i].kv_bytes) << weights << ", rank " << i;
        EXPECT_GT(loaded[i].weight_bytes, 0);
      }
    }
  }
}

TEST_P(GoldenMemoryTest, TheEncodersToo) {
  const std::string model = kData + "/golden/" + GetParam();
  const weights::DummyLoader loader = RandomWeights(model);
  const kernels::MemoryMeter meter;
  const auto encoder = vision::LoadVisionEncoder(model, loader, at::kCPU);
  const int64_t loaded = meter.weight_bytes();
  WorkerConfig config = ConfigOf(model, 1, "stored");
  config.roles = {"encoder"};
  const auto report = MeasureMemory(config);
  ASSERT_EQ(report.ok(), encoder.ok()) << report.status();
  if (!report.ok()) return;
  EXPECT_TRUE(report->ranks.empty());
  EXPECT_EQ(report->encoder_bytes, loaded);
}

INSTANTIATE_TEST_SUITE_P(Sets, GoldenMemoryTest,
                         testing::Values("internlm2-tiny", "llama-tiny", "llava-tiny", "xcomposer1-tiny", "xcomposer2-vl-tiny",
                                         "xcomposer2-4khd-tiny", "xcomposer2d5-tiny"),
                         NameOfModel);

// The published index of 4KHD says how many bytes its tensors have. On CUDA they are loaded as they are.
TEST(PublishedMemoryTest, Of4khdInBfloat16IsItsIndexsTotal) {
  WorkerConfig config = ConfigOf(kData + "/published/internlm-xcomposer2-4khd-7b", 1, "stored");
  config.roles = {"decoder", "encoder"};
  config.device = "cuda";
  const auto report = MeasureMemory(config);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->ranks[0].weight_bytes + *report->encoder_bytes, 17194999808);
}

class PublishedMemoryTest : public testing::TestWithParam<const char*> {};

TEST_P(PublishedMemoryTest, RanksShareTheModelInEveryForm) {
  const std::string model = kData + "/published/" + GetParam();
  for (const char* device : {"cpu", "cuda"}) {
    int64_t least = 0;  // of the form before
    for (const char* weights : {"stored", "int8", "int4"}) {
      WorkerConfig config = ConfigOf(model, 1, weights);
      config.device = device;
      const auto alone = MeasureMemory(config);
      ASSERT_TRUE(alone.ok()) << alone.status();
      config.tensor_parallel = config.num_ranks = 2;
      const auto shared = MeasureMemory(config);
      ASSERT_TRUE(shared.ok()) << shared.status();
      const int64_t bytes = alone->ranks[0].weight_bytes;
      EXPECT_GT(bytes, int64_t{1} << 30);
      EXPECT_TRUE(least == 0 || bytes < 0.9 * least) << weights;
      EXPECT_NEAR(shared->ranks[0].weight_bytes, bytes / 2, 0.1 * bytes) << weights;
      EXPECT_EQ(shared->ranks[0].kv_bytes, alone->ranks[0].kv_bytes / 2);
      least = bytes;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, PublishedMemoryTest,
                         testing::Values("internlm-xcomposer-7b", "internlm-xcomposer-vl-7b", "internlm-xcomposer2-7b",
                                         "internlm-xcomposer2-vl-7b", "internlm-xcomposer2-vl-1_8b", "internlm-xcomposer2-4khd-7b",
                                         "internlm-xcomposer2d5-7b"),
                         NameOfModel);

TEST(DescribeMemoryTest, IsALineForEachRankAndOneForTheEncoder) {
  WorkerConfig config = ConfigOf(kData + "/golden/xcomposer2-vl-tiny", 2, "int4");
  config.roles = {"decoder", "encoder"};
  const auto lines = DescribeMemory(config);
  ASSERT_TRUE(lines.ok()) << lines.status();
  EXPECT_THAT(*lines, testing::MatchesRegex("rank 0 of 2: [0-9]+ bytes of weights, [0-9]+ bytes of keys and values\n"
                                            "rank 1 of 2: [0-9]+ bytes of weights, [0-9]+ bytes of keys and values\n"
                                            "vision encoder: [0-9]+ bytes of weights\n"));
  config.model = "/absent";
  EXPECT_THAT(Message(DescribeMemory(config).status()), testing::HasSubstr("/absent/config.json"));
}

}  // namespace
}  // namespace triptych::worker
