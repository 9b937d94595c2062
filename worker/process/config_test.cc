#include "worker/process/config.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych::worker {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class WorkerConfigTest : public testing::Test {
 protected:
  std::string Write(const std::string& text) {
    path_ = testing::TempDir() + "/worker.yaml";
    std::ofstream(path_) << text;
    return path_;
  }
  ~WorkerConfigTest() override { std::remove(path_.c_str()); }
  std::string path_;
};

TEST_F(WorkerConfigTest, ReadsWhatIsGivenAndKeepsTheRest) {
  WorkerConfig config;
  ASSERT_TRUE(ReadWorkerConfig(Write("model: /models/tiny\nroles: [encoder, decoder]\nkv_blocks: 77\n"
                                     "drain_deadline: 5s\nlisten: 127.0.0.1:0\n"),
                               config)
                  .ok());
  ASSERT_TRUE(FinishWorkerConfig(config).ok());
  EXPECT_EQ(config.kv_blocks, 77);
  EXPECT_EQ(config.max_sequences, WorkerConfig{}.max_sequences);
  EXPECT_EQ(config.drain_deadline, std::chrono::seconds(5));
  EXPECT_EQ(config.model_name, "tiny");
  EXPECT_TRUE(config.has_role("encoder"));
  EXPECT_EQ(config.num_ranks, 1);
}

TEST_F(WorkerConfigTest, AnUnknownKeyNamesLineAndTheNearestKnownOne) {
  WorkerConfig config;
  const Status status = ReadWorkerConfig(Write("model: x\nkv_block: 3\n"), config);
  EXPECT_THAT(std::string(Message(status)), AllOf(HasSubstr("worker.yaml:2"), HasSubstr("kv_block"), HasSubstr("kv_blocks")));
}

TEST_F(WorkerConfigTest, PrintedConfigurationReadsBackEqual) {
  WorkerConfig config;
  config.model = "/m";
  config.roles = {"encoder"};
  config.max_batch_tiles = 3;
  config.prefix_cache = false;
  WorkerConfig again;
  ASSERT_TRUE(ReadWorkerConfig(Write(PrintWorkerConfig(config)), again).ok());
  EXPECT_EQ(PrintWorkerConfig(again), PrintWorkerConfig(config));
  EXPECT_EQ(again.max_batch_tiles, 3);
  EXPECT_FALSE(again.prefix_cache);
}

struct BadCase {
  std::string name;
  void (*change)(WorkerConfig&);
  std::string says;
};

class BadWorkerConfig : public testing::TestWithParam<BadCase> {};

TEST_P(BadWorkerConfig, IsRefusedAndNamesTheKey) {
  WorkerConfig config;
  config.model = "/m";
  GetParam().change(config);
  const Status status = FinishWorkerConfig(config);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(status)), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    All,
    BadWorkerConfig,
    testing::Values(BadCase{"NoModel", [](WorkerConfig& c) { c.model.clear(); }, "model"},
                    BadCase{"NoRole", [](WorkerConfig& c) { c.roles.clear(); }, "roles"},
                    BadCase{"UnknownRole", [](WorkerConfig& c) { c.roles = {"router"}; }, "encoder, decoder"},
                    BadCase{"UnknownLoadFormat", [](WorkerConfig& c) { c.load_format = "gguf"; }, "load_format: 'gguf' is not one of auto, safetensors, torch, dummy"},
                    BadCase{"UnknownWeights", [](WorkerConfig& c) { c.weights = "int3"; }, "weights: 'int3' is not one of stored, int8, int4"},
                    BadCase{"QuantisedEncoder",
                            [](WorkerConfig& c) {
                              c.roles = {"encoder"};
                              c.weights = "int4";
                            },
                            "weights: 'int4' is for decoders"},
                    BadCase{"UnknownDevice", [](WorkerConfig& c) { c.device = "tpu"; }, "cpu, cuda"},
                    BadCase{"UnknownDtype", [](WorkerConfig& c) { c.dtype = "int8"; }, "float32, bfloat16"},
                    BadCase{"Bfloat16OnCpu", [](WorkerConfig& c) { c.dtype = "bfloat16"; }, "dtype"},
                    BadCase{"RankBeyondGroup",
                            [](WorkerConfig& c) {
                              c.tensor_parallel = 2;
                              c.first_rank = 1;
                              c.num_ranks = 2;
                            },
                            "first_rank"},
                    BadCase{"PartWithoutGroup",
                            [](WorkerConfig& c) {
                              c.tensor_parallel = 2;
                              c.num_ranks = 1;
                            },
                            "group"},
                    BadCase{"EncoderInPart",
                            [](WorkerConfig& c) {
                              c.tensor_parallel = 2;
                              c.num_ranks = 1;
                              c.group = "g";
                              c.roles = {"encoder", "decoder"};
                            },
                            "roles"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace triptych::worker
