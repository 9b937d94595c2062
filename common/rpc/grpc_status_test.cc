#include "common/rpc/grpc_status.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

TEST(GrpcStatus, CodesMessagesAndReasonsSurviveTheWire) {
  const Status status = WithReason(InvalidArgument("too many images: {}, at most {}", 17, 16), "TOO_MANY_IMAGES", "prompt");
  const Status back = FromGrpc(ToGrpc(status));
  EXPECT_EQ(back.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(back), "too many images: 17, at most 16");
  EXPECT_EQ(ReasonOf(back), "TOO_MANY_IMAGES");
  EXPECT_EQ(FieldOf(back), "prompt");
}

TEST(GrpcStatus, EveryCodeIsTheSameNumber) {
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status wire = ToGrpc(Status(static_cast<StatusCode>(code), "x"));
    EXPECT_EQ(static_cast<int>(wire.error_code()), code);
    EXPECT_EQ(static_cast<int>(FromGrpc(wire).code()), code);
  }
  EXPECT_TRUE(ToGrpc(OkStatus()).ok());
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
}

TEST(GrpcStatus, MessagesAreCutAndPrintable) {
  std::string text(5000, 'a');
  text[3] = '\n';
  text.replace(1022, 3, "\xe4\xb8\xad");  // a character across the cut
  const std::string message = ToGrpc(Internal("{}", text)).error_message();
  EXPECT_EQ(message.size(), 1022u);
  EXPECT_EQ(message[3], ' ');
}

TEST(GrpcStatus, GarbageDetailsAreIgnored) {
  const Status status = FromGrpc(grpc::Status(grpc::StatusCode::INTERNAL, "m", "\xff\xfe garbage"));
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_EQ(ReasonOf(status), "");
}

}  // namespace
}  // namespace triptych
