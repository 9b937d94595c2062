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
        b(Whole(kOut, rank, 2)),
        task_a(Whole(8, kIn, 4)),
        task_b(Whole(kOut, 8, 3)),
        other_a(Whole(2, kIn, 3)),
        other_b(Whole(kOut, 2, 4)) {}

  std::unique_ptr<weights::WeightLoader> Loader() const {
    folder.Write("model.safetensors",
                 fakes::SafetensorsWriter()
                     .Add("l.weight", w)
                     .Add("l.bias", bias)
                     .Add("l.Plora_A.weight", a)
                     .Add("l.Plora_B.weight", b)
                     .Add("l.task_A.weight", task_a)
                     .Add("l.task_B.weight", task_b)
                     .Add("l.other_A.weight", other_a)
                     .Add("l.other_B.weight", other_b)
                     .Bytes());
    auto loader = weights::LoadCheckpoint(folder.path());
    EXPECT_TRUE(loader.ok()) << loader.status();
    return *std::move(loader);
  }
  at::Tensor Wanted(const at::Tensor& x, const LowRankRows& rows, double scale) const {
    at::Tensor y = at::matmul(x, w.t()) + bias;
    const auto add = [&](RowRun run, const at::Tensor& down, const at::Tensor& up, double by) {
      const at::Tensor low = at::matmul(x.narrow(0, run.begin, run.count), down.t());
      y.narrow(0, run.begin, run.count).add_(at::matmul(low, up.t()), by);
    };
    for (const RowRun& run : rows.images) add(run, a, b, scale);
    for (const AdapterRun& run : rows.adapters) {
      if (run.adapter == 2) add(run.rows, task_a, task_b, 1);
      add(run.rows, other_a, other_b, 1);
    }
    return y;
  }

  fakes::TemporaryFolder folder;
  at::Tensor w, bias, a, b, task_a, task_b, other_a, other_b;
};

// Adapter 1 adds one pair, 2 two of them; a pair that is not Plora's is not scaled, whatever its
// rank.
const PloraSpec kSpec{.base = {.name = "l", .in = kIn, .out = kOut, .has_bias = true},
                      .adapters = {{}, {"other"}, {"task", "other"}}};

TEST(PloraLinearTest, ColumnsAreSplitOverRanks) {
  const Stored stored(/*rank=*/3);
  const auto loader = stored.Loader();
  const at::Tensor x = Whole(kRows, kIn, 4);
  const LowRankRows runs{.images = {{0, 1}, {3, 2}}, .adapters = {{{1, 3}, 2}, {{5, 1}, 1}}};
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
    const at::Tensor wanted = stored.Wanted(x, {.images = {{2, 3}}}, 1);
    EXPECT_TRUE(at::equal(layer->Forward(x, {.images = {{2, 3}}}),
                          at::cat({wanted.narrow(1, 8, 2), wanted.narrow(1, 1, 3)}, 1)));
  });
}

TEST(PloraLinearTest, RowsAreSummedOverRanksOnce) {
  const Stored stored(/*rank=*/3);
  const auto loader = stored.Loader();
  const at::Tensor x = Whole(kRows, kIn, 4);
  const LowRankRows runs{.images = {{1, 4}}, .adapters = {{{0, 2}, 1}, {{2, 3}, 2}}};
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
    const LowRankRows rows{.images = {{0, 2}}};
    EXPECT_TRUE(at::equal(layer->Forward(x, rows), stored.Wanted(x, rows, 2)));
    EXPECT_TRUE(at::equal(layer->Forward(x, {}), stored.Wanted(x, {}, 2)));
  });
}

TEST(PloraLinearTest, ARowDoesNotSeeTheAdaptersOfOthers) {
  const Stored stored(/*rank=*/3);
  const auto loader = stored.Loader();
  const at::Tensor x = (Whole(kRows, kIn, 4) * 0.37).sin();  // no longer exact: bits would show
  fakes::RankCrew(1).Run([&](comm::Communicator& communicator) {
    auto layer = PloraLinear::LoadColumn(*loader, kSpec, {{0, kOut}}, {.communicator = &communicator});
    ASSERT_TRUE(layer.ok()) << layer.status();
    const at::Tensor mixed =
        layer->Forward(x, {.images = {{4, 1}}, .adapters = {{{0, 1}, 1}, {{2, 3}, 2}}});
    const std::vector<int32_t> adapters = {1, 0, 2, 2, 2, 0};
    for (int64_t row = 0; row < kRows; ++row) {
      LowRankRows alone;
      if (row == 4) alone.images = {{0, 1}};
      if (adapters[row] > 0) alone.adapters = {{{0, 1}, adapters[row]}};
      const at::Tensor wanted = layer->Forward(x.narrow(0, row, 1), alone);
      EXPECT_TRUE(at::equal(mixed.narrow(0, row, 1), wanted)) << row;
    }
  });
}

TEST(PloraLinearTest, AnAdapterWithoutItsPairIsNamed) {
  const Stored stored(/*rank=*/3);
  const auto loader = stored.Loader();
  PloraSpec spec = kSpec;
  spec.adapters.push_back({"absent"});
  fakes::RankCrew(1).Run([&](comm::Communicator& communicator) {
    const auto layer = PloraLinear::LoadColumn(*loader, spec, {{0, kOut}}, {.communicator = &communicator});
    EXPECT_THAT(std::string(Message(layer.status())), ::testing::HasSubstr("l.absent_A.weight"));
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
