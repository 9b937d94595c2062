#include "worker/quantization/scheme.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych::quantization {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

StatusOr<Scheme> Read(std::string_view config, std::string_view beside = {}) {
  const fakes::TemporaryFolder folder;
  folder.Write("config.json", config);
  if (!beside.empty()) folder.Write("quantize_config.json", beside);
  return ReadScheme(folder.path());
}

// config.json with a quantization_config, of these keys beside bits and group_size.
std::string ConfigOf(std::string_view keys) {
  return fmt::format(R"({{"quantization_config": {{"bits": 4, "group_size": 128, {}}}}})", keys);
}

TEST(SchemeTest, AFloatingPointCheckpointHasNone) {
  for (const char* config : {"{}", R"({"quantization_config": null})"}) {
    const auto scheme = Read(config);
    ASSERT_TRUE(scheme.ok()) << scheme.status();
    EXPECT_EQ(scheme->method, Method::kNone);
    EXPECT_FALSE(scheme->is_stored());
  }
}

TEST(SchemeTest, GptqIsReadFromConfigJson) {
  const auto scheme = Read(
      ConfigOf(R"("quant_method": "gptq", "desc_act": true, "sym": true, "damp_percent": 0.01)"));
  ASSERT_TRUE(scheme.ok()) << scheme.status();
  EXPECT_EQ(scheme->method, Method::kGptq);
  EXPECT_EQ(scheme->bits, 4);
  EXPECT_EQ(scheme->group_size, 128);
  EXPECT_TRUE(scheme->zeros_less_one);
  EXPECT_EQ(scheme->NumGroups(4096), 32);
  EXPECT_EQ(scheme->NumGroups(4100), 33);
  EXPECT_EQ(scheme->ToString(), "gptq, 4 bits, groups of 128");
}

TEST(SchemeTest, GptqIsReadFromAutoGptqsFileToo) {
  const auto scheme = Read(
      "{}",
      R"({"bits": 8, "group_size": -1, "desc_act": false, "model_name_or_path": null})");
  ASSERT_TRUE(scheme.ok()) << scheme.status();
  EXPECT_EQ(scheme->method, Method::kGptq);
  EXPECT_EQ(scheme->bits, 8);
  EXPECT_EQ(scheme->NumGroups(4096), 1);
  EXPECT_EQ(scheme->InputsPerGroup(4096), 4096);
  EXPECT_EQ(scheme->ToString(), "gptq, 8 bits, groups of all inputs");
}

TEST(SchemeTest, ConfigJsonComesFirst) {
  const auto scheme =
      Read(ConfigOf(R"("quant_method": "awq")"), R"({"bits": 8, "group_size": 64})");
  ASSERT_TRUE(scheme.ok()) << scheme.status();
  EXPECT_EQ(scheme->method, Method::kAwq);
  EXPECT_EQ(scheme->group_size, 128);
}

TEST(SchemeTest, TheSecondFormatOfGptqHasItsZerosAsTheyCount) {
  const auto scheme =
      Read(ConfigOf(R"("quant_method": "GPTQ", "checkpoint_format": "gptq_v2")"));
  ASSERT_TRUE(scheme.ok()) << scheme.status();
  EXPECT_FALSE(scheme->zeros_less_one);
}

TEST(SchemeTest, AwqOfLmdeployIsRead) {
  const auto scheme =
      Read(ConfigOf(R"("quant_method": "awq", "version": "GEMM", "zero_point": true)"));
  ASSERT_TRUE(scheme.ok()) << scheme.status();
  EXPECT_EQ(scheme->method, Method::kAwq);
  EXPECT_EQ(scheme->ToString(), "awq, 4 bits, groups of 128");
}

struct BadCase {
  std::string name;
  std::string config;  // quantization_config
  std::string says;
};

class BadSchemeTest : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadSchemeTest, IsRefusedByKey) {
  const auto scheme = Read(fmt::format(R"({{"quantization_config": {}}})", GetParam().config));
  EXPECT_EQ(scheme.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(scheme.status())),
              AllOf(HasSubstr("config.json: quantization_config"), HasSubstr(GetParam().says)));
}

INSTANTIATE_TEST_SUITE_P(
    All,
    BadSchemeTest,
    ::testing::Values(
        BadCase{"NoObject", "4", "it is not an object"},
        BadCase{"NoMethod", R"({"bits": 4, "group_size": 128})",
                "quant_method: it is missing; allowed is gptq or awq"},
        BadCase{"OtherMethod", R"({"quant_method": "bitsandbytes", "bits": 4})",
                "quant_method: 'bitsandbytes' is not supported; allowed is gptq or awq"},
        BadCase{"ThreeBits", R"({"quant_method": "gptq", "bits": 3, "group_size": 128})",
                "bits: 3 is not supported; allowed is 4 or 8"},
        BadCase{"AwqOfEight", R"({"quant_method": "awq", "bits": 8, "group_size": 128})",
                "bits: 8 is not supported; allowed is 4"},
        BadCase{"NoBits", R"({"quant_method": "gptq", "group_size": 128})", "bits: it is missing"},
        BadCase{"TextBits", R"({"quant_method": "gptq", "bits": "4", "group_size": 128})",
                "bits: \"4\" is not a whole number"},
        BadCase{"NoGroupSize",
                R"({"quant_method": "gptq", "bits": 4})", "group_size: it is missing"},
        BadCase{"GroupsOfNone", R"({"quant_method": "gptq", "bits": 4, "group_size": 0})",
                "group_size: 0 is not supported"},
        BadCase{"OtherFormat",
                R"({"quant_method": "gptq", "bits": 4, "group_size": 1, "checkpoint_format": "3"})",
                "checkpoint_format: '3' is not supported; allowed is gptq or gptq_v2"},
        BadCase{"Marlin",
                R"({"quant_method": "gptq", "bits": 4, "group_size": 1, "is_marlin_format": true})",
                "is_marlin_format: this layout is not supported"},
        BadCase{"Gemv",
                R"({"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemv"})",
                "version: 'gemv' is not supported; allowed is gemm"},
        BadCase{"NoZeroPoint",
                R"({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": false})",
                "zero_point: false is not supported"}),
    [](const auto& info) { return info.param.name; });

TEST(SchemeTest, WhatIsWantedIsTakenWhereTheCheckpointSaysNothing) {
  const fakes::TemporaryFolder folder;
  folder.Write("config.json", "{}");
  const auto scheme = ChooseScheme(folder.path(), *ParseWeights("int4"));
  ASSERT_TRUE(scheme.ok()) << scheme.status();
  EXPECT_EQ(scheme->method, Method::kRound);
  EXPECT_EQ(scheme->ToString(), "rounded, 4 bits, groups of 64");
  EXPECT_EQ(ChooseScheme(folder.path(), *ParseWeights("stored"))->method, Method::kNone);
}

TEST(SchemeTest, AQuantisedCheckpointIsNotQuantisedAgain) {
  const fakes::TemporaryFolder folder;
  folder.Write("config.json", ConfigOf(R"("quant_method": "awq")"));
  EXPECT_EQ(ChooseScheme(folder.path(), {})->method, Method::kAwq);
  const auto twice = ChooseScheme(folder.path(), *ParseWeights("int8"));
  EXPECT_EQ(twice.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(twice.status())),
              AllOf(HasSubstr("weights: int8"),
                    HasSubstr("awq, 4 bits"),
                    HasSubstr("allowed is stored")));
}

TEST(SchemeTest, OtherWeightsAreRefused) {
  EXPECT_EQ(ParseWeights("int8")->bits, 8);
  const auto bad = ParseWeights("int3");
  EXPECT_THAT(std::string(Message(bad.status())),
              HasSubstr("weights: 'int3' is not one of stored, int8, int4"));
}

}  // namespace
}  // namespace triptych::quantization
