#include "worker/weights/dummy_loader.h"

#include <ATen/ops/equal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych::weights {
namespace {

using ::testing::HasSubstr;

at::Tensor Load(std::string_view name,
                const std::vector<int64_t>& shape,
                Slice slice = Slice::All()) {
  const auto loaded = DummyLoader({}).Load(name, shape, slice);
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->scalar_type(), at::kBFloat16);
  return *loaded;
}

TEST(DummyLoaderTest, SlicesAreSlicesOfTheSameWhole) {
  const at::Tensor whole = Load("t", {5, 7, 3});
  for (int dim = 0; dim < 3; ++dim) {
    for (int64_t begin = 0; begin < whole.size(dim); ++begin) {
      for (int64_t end = begin + 1; end <= whole.size(dim); ++end) {
        EXPECT_TRUE(
            at::equal(Load("t", {5, 7, 3}, {dim, begin, end}), whole.slice(dim, begin, end)))
            << dim << " " << begin << " " << end;
      }
    }
  }
}

TEST(DummyLoaderTest, AreTheSameEverywhere) {
  const at::Tensor t = Load("t", {2, 3});
  EXPECT_TRUE(at::equal(t, Load("t", {2, 3})));
  EXPECT_FALSE(at::equal(t, Load("u", {2, 3})));
  EXPECT_FALSE(at::equal(t[0], t[1]));
}

TEST(DummyLoaderTest, MatricesKeepTheSizeOfTheirInputs) {
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{64, 256}, {64, 4, 8, 8}}) {
    const at::Tensor matrix = Load("layer.weight", shape).to(at::kFloat);
    EXPECT_NEAR(matrix.mean().item<double>(), 0, 0.002);
    EXPECT_NEAR(matrix.square().mean().item<double>(), 1.0 / 256, 0.05 / 256);
    EXPECT_LT(matrix.abs().max().item<double>(), 0.11);  // sqrt(3 / 256)
  }
}

TEST(DummyLoaderTest, NormsAreNearOneAndBiasesNearZero) {
  const at::Tensor norm = Load("norm.weight", {1000}).to(at::kFloat);
  EXPECT_LT(norm.sub(1).abs().max().item<double>(), 0.055);
  EXPECT_GT(norm.sub(1).abs().max().item<double>(), 0.04);
  EXPECT_LT(Load("norm.bias", {1000}).to(at::kFloat).abs().max().item<double>(), 0.0505);
  EXPECT_LT(Load("class_embedding", {1000}).to(at::kFloat).abs().max().item<double>(), 0.0505);
}

TEST(DummyLoaderTest, KnowsTheShapesItWasTold) {
  const DummyLoader loader({{"t", {2, 3}}});
  EXPECT_TRUE(loader.Has("t"));
  EXPECT_FALSE(loader.Has("u"));
  EXPECT_EQ(*loader.Shape("t"), (std::vector<int64_t>{2, 3}));
  EXPECT_THAT(std::string(Message(loader.Shape("u").status())),
              HasSubstr("'u' has no known shape"));
  EXPECT_THAT(std::string(Message(loader.Load("t", {3, 2}, Slice::All()).status())),
              HasSubstr("'t' has shape [2, 3], wanted [3, 2]"));
  EXPECT_TRUE(CheckNoExtra(loader, {}).ok());
}

TEST(DummyLoaderTest, NothingIsQuantised) {
  const DummyLoader loader({});
  EXPECT_EQ(loader.LoadIntegers("q", {2}, Slice::All()).status().code(),
            StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace triptych::weights
