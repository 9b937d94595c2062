#pragma once

#include <string>
#include <string_view>

#include <grpcpp/support/status.h>

#include "common/status.h"
#include "common/status_reason.h"  // what travels as google.rpc.ErrorInfo in grpc-status-details-bin, domain "triptych"

namespace triptych {

// Codes are the same numbers on both sides. Messages are cut at 1 KiB and stripped of control characters.
grpc::Status ToGrpc(const Status& status);
Status FromGrpc(const grpc::Status& status);

}  // namespace triptych
