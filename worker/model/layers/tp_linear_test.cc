#include "worker/model/layers/tp_linear.h"

#include <memory>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/rank_crew.h"
#include "tests/fakes/safetensors_writer.h"
#include "tests/fakes/temporary_folder.h"
#include "worker/weights/safetensors_file.h"

namespace triptych::model::layers {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kIn = 48;
constexpr int64_t kOut = 40;
constexpr quantization::Scheme kGptq{
    .method = quantization::Method::kGptq, .bits = 4, .group_size = 16};
constexpr quantization::Scheme kInt8{
    .method = quantization::Method::kRound, .bits = 8, .group_size = 16};

// Two quantised layers of one input, "gptq" and "gptq_act_order" (see
// worker/quantization/testdata), the second with a bias, and one in floating point.
class QuantizedTpLinearTest : public ::testing::Test {
 protected:
  QuantizedTpLinearTest() {
    const auto file = weights::OpenSafetensors(
        TRIPTYCH_TEST_DATA "/../worker/quantization/testdata/layers.safetensors");
    EXPECT_TRUE(file.ok()) << file.status();
    fakes::SafetensorsWriter writer;
    for (const auto& tensor : file->tensors()) {
      const at::Tensor values = *file->Read(tensor.name);
      if (tensor.name == "gptq.weight") first_ = values;
      if (tensor.name == "gptq_act_order.weight") second_ = values;
      if (!tensor.name.ends_with(".weight")) writer.Add(tensor.name, values);
    }
    writer.Add("gptq_act_order.bias", bias_).Add("plain.weight", first_);
    folder_.Write("model.safetensors", writer.Bytes());
    loader_ = *weights::LoadCheckpoint(folder_.path());
  }
  static at::Tensor Product(const at::Tensor& x,
                            const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias = std::nullopt) {
    return kernels::PackedLinear::Pack(weight.contiguous(), bias, at::kCPU).Forward(x);
  }
  static LinearSpec Spec(const std::string& name) { return {name, kIn, kOut}; }

  const fakes::TemporaryFolder folder_;
  const at::Tensor bias_ = at::arange(kOut, at::kFloat) * 0.01;
  const at::Tensor x_ = at::randn({5, kIn});
  at::Tensor first_, second_;  // what the layers stand for, [out, in]
  std::unique_ptr<weights::WeightLoader> loader_;
};

TEST_F(QuantizedTpLinearTest, LayersWithInputsInOrdersOfTheirOwnStandSideBySide) {
  fakes::RankCrew(1).Run([&](comm::Communicator& communicator) {
    const std::vector<LinearRows> parts = {{Spec("gptq"), {3, 20}},
                                           {Spec("gptq"), {30, 40}},
                                           {Spec("gptq_act_order"), {1, 40}},
                                           {Spec("gptq"), {0, 3}}};
    const auto linear = TpLinear::LoadJoined(
        *loader_, parts, {.communicator = &communicator, .quantization = kGptq});
    ASSERT_TRUE(linear.ok()) << linear.status();
    const at::Tensor first = Product(x_, first_);
    const at::Tensor wanted = at::cat({first.narrow(1, 3, 17),
                                       first.narrow(1, 30, 10),
                                       Product(x_, second_, bias_).narrow(1, 1, 39),
                                       first.narrow(1, 0, 3)},
                                      1);
    EXPECT_TRUE(at::equal(linear->Forward(x_), wanted));
  });
}

TEST_F(QuantizedTpLinearTest, RanksThatSplitInputsSumUpAndAddTheBiasOnce) {
  const at::Tensor wanted = Product(x_, second_, bias_);
  for (const int size : {1, 2, 3, 5}) {
    std::vector<at::Tensor> summands(size);
    fakes::RankCrew(size).Run([&](comm::Communicator& communicator) {
      const Range columns = PartOf(kIn, communicator.rank(), size);
      const auto linear = TpLinear::LoadRow(*loader_,
                                            Spec("gptq_act_order"),
                                            columns,
                                            {.communicator = &communicator, .quantization = kGptq});
      ASSERT_TRUE(linear.ok()) << linear.status();
      const at::Tensor x = x_.narrow(1, columns.begin, columns.size());
      const at::Tensor weight = second_.narrow(1, columns.begin, columns.size());
      summands[communicator.rank()] = linear->Forward(x);
      const auto bias = communicator.rank() == 0 ? std::optional(bias_) : std::nullopt;
      EXPECT_TRUE(at::equal(linear->Forward(x), Product(x, weight, bias))) << size;
    });
    at::Tensor sum = summands.front();
    for (int rank = 1; rank < size; ++rank) sum = sum + summands[rank];
    EXPECT_LT((sum - wanted).abs().max().item<double>(), 1e-4) << size;
  }
}

TEST_F(QuantizedTpLinearTest, LayersInFloatingPointStaySoInAQuantisedCheckpoint) {
  fakes::RankCrew(1).Run([&](comm::Communicator& communicator) {
    const RankContext context{.communicator = &communicator, .quantization = kGptq};
    const auto plain = TpLinear::LoadColumn(*loader_, Spec("plain"), {{0, kOut}}, context);
    ASSERT_TRUE(plain.ok()) << plain.status();
    EXPECT_TRUE(at::equal(plain->Forward(x_), Product(x_, first_)));
    const auto mixed = TpLinear::LoadJoined(
        *loader_, {{Spec("gptq"), {0, kOut}}, {Spec("plain"), {0, kOut}}}, context);
    EXPECT_THAT(
        std::string(Message(mixed.status())),
        AllOf(HasSubstr("'gptq'"), HasSubstr("'plain'"), HasSubstr("both must be quantised")));
  });
}

TEST_F(QuantizedTpLinearTest, WeightsAreRoundedWhenThatIsWanted) {
  const at::Tensor rounded = kernels::Dequantize(kernels::RoundToNearest(first_, 8, 16));
  fakes::RankCrew(1).Run([&](comm::Communicator& communicator) {
    const RankContext context{.communicator = &communicator, .quantization = kInt8};
    const auto columns = TpLinear::LoadColumn(*loader_, Spec("plain"), {{8, 21}, {2, 5}}, context);
    ASSERT_TRUE(columns.ok()) << columns.status();
    const at::Tensor whole = Product(x_, rounded);
    EXPECT_TRUE(at::equal(columns->Forward(x_),
                          at::cat({whole.narrow(1, 8, 13), whole.narrow(1, 2, 3)}, 1)));
    const auto row = TpLinear::LoadRow(*loader_, Spec("plain"), {5, 30}, context);
    ASSERT_TRUE(row.ok()) << row.status();
    const at::Tensor x = x_.narrow(1, 5, 25);
    EXPECT_TRUE(at::equal(row->Forward(x), Product(x, rounded.narrow(1, 5, 25))));
  });
}

}  // namespace
}  // namespace triptych::model::layers
