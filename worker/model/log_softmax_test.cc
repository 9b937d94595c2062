#include "worker/model/log_softmax.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace triptych::model {
namespace {

TEST(ExpNonPositiveTest, AgreesWithTheLibrary) {
  for (double x = 0; x > -700; x -= 0.0137) {
    ASSERT_NEAR(ExpNonPositive(x) / std::exp(x), 1.0, 1e-15) << x;
  }
  EXPECT_EQ(ExpNonPositive(0), 1.0);
  EXPECT_LT(ExpNonPositive(-1e300), 1e-300);
}

TEST(LogSoftmaxTest, ProbabilitiesSumToOne) {
  std::vector<float> logits;
  for (int i = 0; i < 1003; ++i) logits.push_back(static_cast<float>(std::sin(i) * 20));
  const LogSoftmax log_softmax(logits);
  ASSERT_TRUE(log_softmax.is_finite());
  double total = 0;
  for (const float logit : logits) total += std::exp(log_softmax.Of(logit));
  EXPECT_NEAR(total, 1.0, 1e-12);
}

TEST(LogSoftmaxTest, StandsHugeAndEqualLogits) {
  const std::vector<float> logits(4, 3e38f);
  EXPECT_NEAR(LogSoftmax(logits).Of(3e38f), 0, 1e25);  // all digits of a quarter are lost up there
  const std::vector<float> small(4, -1000.0f);
  EXPECT_NEAR(LogSoftmax(small).Of(-1000.0f), std::log(0.25), 1e-12);
}

TEST(LogSoftmaxTest, KnowsWhatIsNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(LogSoftmax(std::vector<float>{1, std::nanf(""), 2}).is_finite());
  EXPECT_FALSE(LogSoftmax(std::vector<float>{1, kInfinity}).is_finite());
  EXPECT_FALSE(LogSoftmax(std::vector<float>{-kInfinity, 1}).is_finite());
  EXPECT_FALSE(LogSoftmax({}).is_finite());
}

}  // namespace
}  // namespace triptych::model
