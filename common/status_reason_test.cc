#include "common/status_reason.h"

#include <gtest/gtest.h>

namespace triptych {
namespace {

TEST(StatusReasonTest, CarriesReasonAndField) {
  const Status status = WithReason(InvalidArgument("too many: {}", 3), "TOO_MANY_IMAGES", "prompt.images");
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(status), "too many: 3");
  EXPECT_EQ(ReasonOf(status), "TOO_MANY_IMAGES");
  EXPECT_EQ(FieldOf(status), "prompt.images");
}

TEST(StatusReasonTest, FieldMayBeMissing) {
  const Status status = WithReason(NotFound("no such key"), "UNKNOWN_KEY");
  EXPECT_EQ(ReasonOf(status), "UNKNOWN_KEY");
  EXPECT_EQ(FieldOf(status), "");
}

TEST(StatusReasonTest, NothingWithoutAReason) {
  EXPECT_EQ(ReasonOf(Internal("bug")), "");
  EXPECT_EQ(FieldOf(Internal("bug")), "");
  EXPECT_EQ(ReasonOf(OkStatus()), "");
}

TEST(StatusReasonTest, OkStaysOk) {
  EXPECT_TRUE(WithReason(OkStatus(), "NEVER").ok());
}

TEST(StatusReasonTest, TheLastReasonCounts) {
  const Status status = WithReason(WithReason(Internal("x"), "FIRST", "a"), "SECOND");
  EXPECT_EQ(ReasonOf(status), "SECOND");
  EXPECT_EQ(FieldOf(status), "");
}

}  // namespace
}  // namespace triptych
