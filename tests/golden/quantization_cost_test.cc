// What rounding weights when they are read costs: how far the log-probabilities of the golden
// prompts' tokens move. Prints the table of docs/checkpoints.md.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>

#include "gtest/gtest.h"
#include "tests/fakes/model_crew.h"
#include "tests/golden/golden_set.h"
#include "worker/quantization/scheme.h"

namespace triptych::golden {
namespace {

constexpr int64_t kNumBlocks = 256;

// Over all tokens of a set's prompts that have something before them, pictures' rows apart.
struct Cost {
  double mean = 0;        // change of a token's log-probability, either way
  double greatest = 0;    // of these
  double divergence = 0;  // Kullback-Leibler, of what follows each row, mean
  double agreement = 0;   // rows whose likeliest token stays
  double spread = 0;      // standard deviation over the vocabulary, before; mean of rows
};

class QuantizationCostTest : public ::testing::TestWithParam<std::string> {
 protected:
  // Log-probabilities [rows, vocab] of each case.
  std::vector<at::Tensor> Run(const std::vector<GoldenCase>& cases, const std::string& weights) {
    const auto model = fakes::ModelCrew::Load(GetParam(),
                                              /*tensor_parallel=*/1,
                                              kNumBlocks,
                                              at::kCPU,
                                              at::kFloat,
                                              *quantization::ParseWeights(weights));
    EXPECT_TRUE(model.ok()) << model.status();
    std::vector<at::Tensor> logprobs;
    for (const GoldenCase& golden : cases) {
      const auto size = static_cast<int32_t>(golden.prompt.tokens.size());
      const at::Tensor logits = fakes::RunInChunks(**model, golden.prompt, size);
      logprobs.push_back(at::log_softmax(logits.to(at::kDouble), -1));
    }
    return logprobs;
  }

  static Cost Compare(const std::vector<GoldenCase>& cases,
                      const std::vector<at::Tensor>& stored,
                      const std::vector<at::Tensor>& rounded) {
    Cost cost;
    double tokens = 0, rows = 0;
    for (size_t i = 0; i < cases.size(); ++i) {
      const std::vector<TokenId>& ids = cases[i].prompt.tokens;
      for (size_t row = 0; row + 1 < ids.size(); ++row) {
        if (ids[row + 1] == kImageRow) continue;
        const auto index = static_cast<int64_t>(row);
        const TokenId next = ids[row + 1];
        const at::Tensor change = rounded[i][index][next] - stored[i][index][next];
        const double size = std::abs(change.item<double>());
        cost.mean += size;
        cost.greatest = std::max(cost.greatest, size);
        ++tokens;
      }
      cost.divergence += (stored[i].exp() * (stored[i] - rounded[i])).sum().item<double>();
      cost.agreement += stored[i].argmax(-1).eq(rounded[i].argmax(-1)).sum().item<double>();
      cost.spread += stored[i].std(-1).sum().item<double>();
      rows += static_cast<double>(stored[i].size(0));
    }
    cost.mean /= tokens;
    cost.divergence /= rows;
    cost.agreement /= rows;
    cost.spread /= rows;
    return cost;
  }
};

TEST_P(QuantizationCostTest, IsAPartOfTheSpreadAndGrowsWithTheSteps) {
  const auto cases = LoadGoldenCases(GetParam());
  ASSERT_TRUE(cases.ok()) << cases.status();
  const std::vector<at::Tensor> stored = Run(*cases, "stored");
  const std::string set = std::filesystem::path(GetParam()).filename();
  std::vector<Cost> costs;
  for (const char* weights : {"int8", "int4"}) {
    const Cost cost = Compare(*cases, stored, Run(*cases, weights));
    std::printf("| `%s` | %s | %.2f | %.4f | %.4f | %.6f | %.1f %% |\n",
                set.c_str(),
                weights,
                cost.spread,
                cost.mean,
                cost.greatest,
                cost.divergence,
                100 * cost.agreement);
    costs.push_back(cost);
  }
  const auto& [int8, int4] = std::tie(costs[0], costs[1]);
  EXPECT_GT(int8.mean, 0) << "nothing was rounded";
  EXPECT_LT(int8.mean, 0.05 * int8.spread);
  EXPECT_GT(int8.agreement, 0.9);
  // The steps between levels are 17 times as far apart.
  EXPECT_GT(int4.mean, 8 * int8.mean);
  EXPECT_LT(int4.mean, 34 * int8.mean);
}

INSTANTIATE_TEST_SUITE_P(
    Sets,
    QuantizationCostTest,
    ::testing::ValuesIn(GoldenFolders({"internlmxcomposer2", "internlm2", "llama", "llava"})),
    [](const auto& info) {
      std::string name = std::filesystem::path(info.param).filename();
      for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
      return name;
    });

}  // namespace
}  // namespace triptych::golden
