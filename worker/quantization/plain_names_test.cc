#include "worker/quantization/plain_names.h"

#include <algorithm>

#include <ATen/ops/zeros.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/safetensors_writer.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych::quantization {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

std::unique_ptr<weights::WeightLoader> Checkpoint(const std::vector<std::string>& names) {
  const fakes::TemporaryFolder folder;
  fakes::SafetensorsWriter writer;
  for (const std::string& name : names) writer.Add(name, at::zeros({1}, at::kInt));
  folder.Write("model.safetensors", writer.Bytes());
  return *weights::LoadCheckpoint(folder.path());
}

constexpr Scheme kGptq{.method = Method::kGptq};
constexpr Scheme kAwq{.method = Method::kAwq};

TEST(PlainNamesTest, AreThoseThatModelsKnow) {
  const auto loader = Checkpoint({"a.linear.qweight", "a.linear.qzeros", "a.linear.scales",
                                  "a.linear.g_idx", "a.linear.bias", "a.Plora_A.weight",
                                  "b.qweight", "b.qzeros", "b.scales", "b.g_idx",
                                  "c.weight", "c.bias", "d.scales"});
  const auto plain = PlainNames::Over(loader.get(), kGptq);
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_THAT((*plain)->Names(),
              UnorderedElementsAre(
                  "a.weight", "a.Plora_A.weight", "b.weight", "c.weight", "c.bias", "d.scales"));
  EXPECT_TRUE((*plain)->Has("a.linear.qweight"));
  EXPECT_FALSE((*plain)->Has("a.weight"));
  EXPECT_EQ(QuantizedName(**plain, "a"), "a.linear");
  EXPECT_EQ(QuantizedName(**plain, "b"), "b");
}

TEST(PlainNamesTest, WhatNobodyReadsKeepsItsName) {
  const auto loader = Checkpoint({"a.qweight", "a.g_idx"});
  EXPECT_THAT((*PlainNames::Over(loader.get(), kAwq))->Names(),
              UnorderedElementsAre("a.weight", "a.g_idx"));
}

TEST(PlainNamesTest, ALayerStoredTwiceIsRefused) {
  const auto loader = Checkpoint({"a.linear.qweight", "a.weight"});
  EXPECT_THAT(
      std::string(Message(PlainNames::Over(loader.get(), kGptq).status())),
      AllOf(HasSubstr("'a.weight'"), HasSubstr("'a.linear.qweight'"), HasSubstr("stored twice")));
}

TEST(PlainNamesTest, QuantisedTensorsAreFound) {
  EXPECT_EQ(FindQuantizedTensor(*Checkpoint({"a.weight", "b.qweight"})), "b.qweight");
  EXPECT_EQ(FindQuantizedTensor(*Checkpoint({"a.weight"})), "");
}

}  // namespace
}  // namespace triptych::quantization
