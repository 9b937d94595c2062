#include "common/async/rpc_call.h"

#include <algorithm>

#include <grpc/support/time.h>

namespace triptych {

void CallOptions::ApplyTo(grpc::ClientContext& context) const {
  if (deadline != kForever) {
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - std::chrono::steady_clock::now());
    context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                      gpr_time_from_nanos(std::max<int64_t>(left.count(), 0), GPR_TIMESPAN)));
  }
  for (const auto& [key, value] : metadata) context.AddMetadata(key, value);
}

}  // namespace triptych
