#pragma once

#include <string>
#include <string_view>

#include "common/status.h"

namespace triptych {

// Names the reason (UPPER_SNAKE_CASE, for programs) and the request field of an error. Both travel as one absl payload, and on the
// wire as google.rpc.ErrorInfo (common/rpc/grpc_status.h). An ok status stays as it is.
Status WithReason(Status status, std::string_view reason, std::string_view field = {});
std::string ReasonOf(const Status& status);  // empty when there is none
std::string FieldOf(const Status& status);   // empty when there is none

}  // namespace triptych
