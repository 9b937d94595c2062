#include "worker/model/layers/plora_linear.h"

#include <memory>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/rank_crew.h"
#include "tests/fakes/safetensors_writer.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych::model::layers {
namespace {

constexpr int64_t kIn = 8;
constexpr int64_t kOut = 12;
constexpr int64_t kRows = 6;

// Small whole numbers: every sum is exact, whatever its order.
at::Tensor Whole(int64_t rows, int64_t columns, int64_t step) {
  return (at::arange(rows * columns, at::kLong) * step)
      .remainder(7)
      .sub(3)
      .to(at::kFloat)
      .view({rows, columns});
}

struct Stored {
  explicit Stored(int64_t rank)
      : w(Whole(kOut, kIn, 3)),
        bias(Whole(1, kOut, 2)[0]),
        a(Whole(rank, kIn, 5)),
        b(Whole(kOut, rank, 2)) {}

  std::unique_ptr<weights::WeightLoader> Loader() const {
    folder.Write("model.safetensors",
                 fakes::SafetensorsWriter()
                     .Add("l.weight", w)
                     .Add("l.bias", bias)
                     .Add("l.Plora_A.weight", a)
                     .Add("l.Plora_B.weight", b)
                     .Bytes());
    auto loader = weights::LoadCheckpoint(folder.path());
    EXPECT_TRUE(loader.ok()) << loader.status();
    return *std::move(loader);
  }
  at::Tensor Wanted(const at::Tensor& x, const std::vector<RowRun>& runs, double scale) const {
    at::Tensor y = at::matmul(x, w.t()) + bias;
    for (const RowRun& run : runs) {
      const at::Tensor low = at::matmul(x.narrow(0, run.begin, run.count), a.t());
      y.narrow(0, run.begin, run.count).add_(at::matmul(low, b.t()), scale);
    }
    return y;
  }

  fakes::TemporaryFolder folder;
  at::Tensor w, bias, a, b;
};

const LinearSpec kSpec{.name = "l", .in = kIn, .out = kOut, .has_bias = true};

TEST(PloraLinearTest, ColumnsAreSplitOverRanks) {
  const Stored stored(/*rank=*/3);
  const auto loader = stored.Loader();
  const at::Tensor x = Whole(kRows, kIn, 4);
  const std::vector<RowRun> runs = {{0, 1}, {3, 2}};
  for (const int size : {1, 2, 3, 4, 5}) {
    std::vector<at::Tensor> parts(size);
    fakes::RankCrew(size).Run([&](comm::Communicator& communicator) {
      const RankContext context{.communicator = &communicator};
      const Range rows = PartOf(kOut, context.rank(), size);
      auto layer = PloraLinear::LoadColumn(*loader, kSpec, {rows}, context);
      ASSERT_TRUE(layer.ok()) << layer.status();
      parts[communicator.rank()] = layer->Forward(x, runs);
    });
    EXPECT_TRUE(at::equal(at::cat(parts, 1), stored.Wanted(x, runs, 1))) << size;
  }
}

TEST(PloraLinearTest, ColumnsComeInTheOrderOfTheirRanges) {
  const Stored stored(/*rank=*/3);
  const auto loader = stored.Loader();
  const at::Tensor x = Whole(kRows, kIn, 4);
  fakes::RankCrew(1).Run([&](comm::Communicator& communicator) {
    auto layer =
        PloraLinear::LoadColumn(*loader, kSpec, {{8, 10}, {1, 4}}, {.communicator = &communicator});
    ASSERT_TRUE(layer.ok()) << layer.status();
    const at::Tensor wanted = stored.Wanted(x, {{2, 3}}, 1);
    EXPECT_TRUE(at::equal(layer->Forward(x, {{2, 3}}),
                          at::cat({wanted.narrow(1, 8, 2), wanted.narrow(1, 1, 3)}, 1)));
  });
}

TEST(PloraLinearTest, RowsAreSummedOverRanksOnce) {
  const Stored stored(/*rank=*/3);
  const auto loader = stored.Loader();
  const at::Tensor x = Whole(kRows, kIn, 4);
  const std::vector<RowRun> runs = {{1, 4}};
  for (const int size : {1, 2, 3, 4, 5}) {
    fakes::RankCrew(size).Run([&](comm::Communicator& communicator) {
      const Range columns = PartOf(kIn, communicator.rank(), size);
      auto layer = PloraLinear::LoadRow(*loader, kSpec, columns, {.communicator = &communicator});
      ASSERT_TRUE(layer.ok()) << layer.status();
      const at::Tensor mine = x.narrow(1, columns.begin, columns.size()).contiguous();
      EXPECT_TRUE(at::equal(layer->Forward(mine, runs), stored.Wanted(x, runs, 1))) << size;
    });
  }
}

TEST(PloraLinearTest, RankEightIsScaledByTwo) {
  const Stored stored(/*rank=*/8);
  const auto loader = stored.Loader();
  const at::Tensor x = Whole(kRows, kIn, 4);
  fakes::RankCrew(1).Run([&](comm::Communicator& communicator) {
    auto layer = PloraLinear::LoadRow(*loader, kSpec, {0, kIn}, {.communicator = &communicator});
    ASSERT_TRUE(layer.ok()) << layer.status();
    EXPECT_TRUE(at::equal(layer->Forward(x, {{0, 2}}), stored.Wanted(x, {{0, 2}}, 2)));
    EXPECT_TRUE(at::equal(layer->Forward(x, {}), stored.Wanted(x, {}, 2)));
  });
}

TEST(PloraLinearTest, HalvesThatDoNotFitAreNamed) {
  Stored stored(/*rank=*/3);
  stored.b = Whole(kOut, 4, 1);
  const auto loader = stored.Loader();
  fakes::RankCrew(1).Run([&](comm::Communicator& communicator) {
    const auto layer =
        PloraLinear::LoadRow(*loader, kSpec, {0, kIn}, {.communicator = &communicator});
    EXPECT_THAT(std::string(Message(layer.status())),
                ::testing::HasSubstr("'l.Plora_B.weight' has shape [12, 4], wanted [12, 3]"));
  });
}

}  // namespace
}  // namespace triptych::model::layers
