#include "worker/quantization/layer_source.h"

#include <memory>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/safetensors_writer.h"
#include "tests/fakes/temporary_folder.h"
#include "worker/weights/dummy_loader.h"
#include "worker/weights/safetensors_file.h"

namespace triptych::quantization {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using weights::Slice;

using Tensors = std::vector<std::pair<std::string, at::Tensor>>;

// A checkpoint of tensors, in a folder of its own.
struct Checkpoint {
  explicit Checkpoint(const Tensors& tensors) {
    fakes::SafetensorsWriter writer;
    for (const auto& [name, tensor] : tensors) writer.Add(name, tensor);
    folder.Write("model.safetensors", writer.Bytes());
    loader = *weights::LoadCheckpoint(folder.path());
  }

  fakes::TemporaryFolder folder;
  std::unique_ptr<weights::WeightLoader> loader;
};

// Slices of [out, in]: whole, and every kind of edge: between words and groups and inside of them.
std::vector<Slice> Slices(int64_t out, int64_t in) {
  std::vector<Slice> slices = {Slice::All()};
  for (const auto& [dim, size] : {std::pair{0, out}, {1, in}}) {
    for (const int64_t begin : {int64_t{0}, int64_t{8}, int64_t{13}, size - 3}) {
      for (const int64_t end : {begin + 1, begin + 2, int64_t{16}, int64_t{19}, size}) {
        if (begin < end && end <= size) slices.push_back({dim, begin, end});
      }
    }
  }
  return slices;
}

at::Tensor Cut(const at::Tensor& whole, Slice slice) {
  return slice.is_all() ? whole : whole.slice(slice.dim, slice.begin, slice.end);
}

struct StoredCase {
  std::string name;
  Scheme scheme;
};

std::vector<StoredCase> StoredCases() {
  const Scheme gptq{.method = Method::kGptq, .bits = 4, .group_size = 16};
  Scheme v2 = gptq, eight = gptq, one_group = gptq, ragged = gptq;
  v2.zeros_less_one = false;
  eight.bits = 8;
  one_group.group_size = 0;
  ragged.group_size = 32;
  return {{"gptq", gptq},
          {"gptq_act_order", gptq},
          {"gptq_v2", v2},
          {"gptq_8", eight},
          {"gptq_one_group", one_group},
          {"gptq_ragged", ragged},
          {"awq", {.method = Method::kAwq, .bits = 4, .group_size = 16}},
          {"awq_wide_groups", {.method = Method::kAwq, .bits = 4, .group_size = 24}}};
}

// The tables of testdata/make_layers.py.
class StoredLayerTest : public ::testing::TestWithParam<StoredCase> {
 protected:
  static Checkpoint Tables() {
    const auto file = weights::OpenSafetensors(
        TRIPTYCH_TEST_DATA "/../worker/quantization/testdata/layers.safetensors");
    EXPECT_TRUE(file.ok()) << file.status();
    Tensors tensors;
    for (const auto& tensor : file->tensors()) {
      tensors.emplace_back(tensor.name, *file->Read(tensor.name));
    }
    return Checkpoint(tensors);
  }
};

TEST_P(StoredLayerTest, EverySliceIsThatOfTheReferencesMatrix) {
  const auto& [name, scheme] = GetParam();
  const Checkpoint tables = Tables();
  const std::vector<int64_t> shape = *tables.loader->Shape(name + ".weight");
  const at::Tensor wanted = *tables.loader->Load(name + ".weight", shape, Slice::All());
  const StoredLayer layer{.name = name, .in = shape[1], .out = shape[0]};
  for (const Slice& slice : Slices(layer.out, layer.in)) {
    const auto matrix = LoadQuantized(*tables.loader, scheme, layer, slice);
    ASSERT_TRUE(matrix.ok()) << matrix.status();
    EXPECT_TRUE(at::equal(kernels::Dequantize(*matrix), Cut(wanted, slice)))
        << slice.dim << " " << slice.begin << " " << slice.end;
    EXPECT_EQ(matrix->bits, scheme.bits);
    EXPECT_LT(matrix->codes.max().item<int>(), 1 << scheme.bits);
  }
}

INSTANTIATE_TEST_SUITE_P(Tables,
                         StoredLayerTest,
                         ::testing::ValuesIn(StoredCases()),
                         [](const auto& info) { return info.param.name; });

const Scheme kInt4{.method = Method::kRound, .bits = 4, .group_size = 16};

TEST(LoadRoundedTest, EverySliceIsThatOfTheRoundedWhole) {
  const at::Tensor weight = at::randn({40, 44}).to(at::kBFloat16);
  const Checkpoint checkpoint({{"l.weight", weight}});
  const at::Tensor wanted =
      kernels::Dequantize(kernels::RoundToNearest(weight.to(at::kFloat), 4, 16));
  for (const Slice& slice : Slices(40, 44)) {
    const auto matrix = LoadQuantized(*checkpoint.loader, kInt4, {"l", 44, 40}, slice);
    ASSERT_TRUE(matrix.ok()) << matrix.status();
    EXPECT_TRUE(at::equal(kernels::Dequantize(*matrix), Cut(wanted, slice)))
        << slice.dim << " " << slice.begin << " " << slice.end;
  }
}

TEST(LoadRoundedTest, ManyRowsAreRoundedPieceByPiece) {
  const at::Tensor weight = at::randn({1100, 20});
  const Checkpoint checkpoint({{"l.weight", weight}});
  const at::Tensor wanted = kernels::Dequantize(kernels::RoundToNearest(weight, 4, 16));
  for (const Slice slice : {Slice::All(), Slice{0, 3, 1050}, Slice{1, 5, 20}}) {
    const auto matrix = LoadQuantized(*checkpoint.loader, kInt4, {"l", 20, 1100}, slice);
    ASSERT_TRUE(matrix.ok()) << matrix.status();
    EXPECT_TRUE(at::equal(kernels::Dequantize(*matrix), Cut(wanted, slice)));
  }
}

TEST(LoadRoundedTest, DummiesAreRoundedToo) {
  const weights::DummyLoader dummies({});
  const auto matrix = LoadQuantized(dummies, kInt4, {"l", 64, 32}, {0, 8, 24});
  ASSERT_TRUE(matrix.ok()) << matrix.status();
  EXPECT_EQ(matrix->codes.sizes(), (std::vector<int64_t>{64, 16}));
}

TEST(LoadRoundedTest, WhatIsNotFiniteIsRefused) {
  at::Tensor weight = at::randn({4, 8});
  weight[2][3].fill_(std::numeric_limits<float>::quiet_NaN());
  const Checkpoint checkpoint({{"l.weight", weight}});
  const auto matrix = LoadQuantized(*checkpoint.loader, kInt4, {"l", 8, 4}, Slice::All());
  EXPECT_THAT(std::string(Message(matrix.status())),
              AllOf(HasSubstr("'l.weight'"), HasSubstr("not finite")));
}

// A layer of 16 inputs and 8 outputs in one group, as it should be.
Tensors Sound(bool gptq) {
  return {{"l.qweight", at::zeros(gptq ? at::IntArrayRef{2, 8} : at::IntArrayRef{16, 1}, at::kInt)},
          {"l.qzeros", at::zeros({1, 1}, at::kInt)},
          {"l.scales", at::zeros({1, 8}, at::kHalf)},
          {"l.g_idx", at::zeros({16}, at::kInt)}};
}

struct BadCase {
  std::string name;
  bool gptq;
  std::string tensor;      // that is replaced, or left out where there is none
  at::Tensor replacement;
  StoredLayer layer;
  std::string says;
};

class BadLayerTest : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadLayerTest, IsRefusedByName) {
  const BadCase& bad = GetParam();
  Tensors tensors;
  for (const auto& [name, tensor] : Sound(bad.gptq)) {
    if (name != bad.tensor) {
      tensors.emplace_back(name, tensor);
    } else if (bad.replacement.defined()) {
      tensors.emplace_back(name, bad.replacement);
    }
  }
  const Scheme scheme{
      .method = bad.gptq ? Method::kGptq : Method::kAwq, .bits = 4, .group_size = 16};
  const auto matrix = LoadQuantized(*Checkpoint(tensors).loader, scheme, bad.layer, Slice::All());
  EXPECT_EQ(matrix.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(matrix.status())), HasSubstr(bad.says));
}

const StoredLayer kLayer{.name = "l", .in = 16, .out = 8};

INSTANTIATE_TEST_SUITE_P(
    All,
    BadLayerTest,
    ::testing::Values(
        BadCase{"NoGroups", true, "l.g_idx", {}, kLayer,
                "'l.g_idx' is missing; its shape should be [16]"},
        BadCase{"NoScales", true, "l.scales", {}, kLayer, "'l.scales' is missing"},
        BadCase{"NoZeros", false, "l.qzeros", {}, kLayer, "'l.qzeros' is missing"},
        BadCase{"NoWeights", false, "l.qweight", {}, kLayer, "'l.qweight' is missing"},
        BadCase{"ThreeBits", true, "l.qweight", at::zeros({3, 8}, at::kInt), kLayer,
                "'l.qweight' has shape [3, 8], wanted [2, 8]"},
        BadCase{"OtherLayout", false, "l.qweight", at::zeros({8, 2}, at::kInt), kLayer,
                "'l.qweight' has shape [8, 2], wanted [16, 1]"},
        BadCase{"OtherGroups", false, "l.scales", at::zeros({2, 8}, at::kHalf), kLayer,
                "'l.scales' has shape [2, 8], wanted [1, 8]"},
        BadCase{"GroupBeyond", true, "l.g_idx", at::full({16}, 1, at::kInt), kLayer,
                "'l.g_idx' names group 1, allowed are 0 to 0"},
        BadCase{"GroupBelow", true, "l.g_idx", at::full({16}, -1, at::kInt), kLayer,
                "'l.g_idx' names group -1"},
        BadCase{"BytesForWords", true, "l.qweight", at::zeros({2, 8}, at::kByte), kLayer,
                "'l.qweight' has numbers of 1 bytes, wanted int32"},
        BadCase{"FloatWords", true, "l.qweight", at::zeros({2, 8}, at::kFloat), kLayer,
                "'l.qweight' has dtype F32, wanted I32"},
        BadCase{"WholeScales", true, "l.scales", at::zeros({1, 8}, at::kInt), kLayer,
                "'l.scales' has dtype I32, wanted BF16"},
        BadCase{"InputsNoWords", true, "", {}, {"l", 12, 8}, "its 12 inputs are no multiple of 8"},
        BadCase{"OutputsNoWords", true, "", {}, {"l", 16, 12},
                "its 12 outputs are no multiple of 8"},
        BadCase{"InputsNoGroups", false, "", {}, {"l", 24, 8},
                "its 24 inputs are no multiple of 16"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace triptych::quantization
