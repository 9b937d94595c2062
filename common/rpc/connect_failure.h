#pragma once

#include "common/status.h"

namespace triptych {

// Whether a call's kUnavailable says that nobody was reached: no name, or nobody there. gRPC tells it by its text alone.
inline bool IsConnectFailure(const Status& status) {
  return Message(status).starts_with("failed to connect") || Message(status).starts_with("DNS resolution failed");
}

}  // namespace triptych
