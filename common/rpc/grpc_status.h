#pragma once

#include <string>
#include <string_view>

#include <grpcpp/support/status.h>

#include "common/status.h"

namespace triptych {

// Names the reason (UPPER_SNAKE_CASE, for programs) and the request field of an error; travels as an absl payload and, on the
// wire, as google.rpc.ErrorInfo in grpc-status-details-bin with domain "triptych".
Status WithReason(Status status, std::string_view reason, std::string_view field = {});
std::string ReasonOf(const Status& status);  // empty when there is none

// Codes are the same numbers on both sides. Messages are cut at 1 KiB and stripped of control characters.
grpc::Status ToGrpc(const Status& status);
Status FromGrpc(const grpc::Status& status);

}  // namespace triptych
