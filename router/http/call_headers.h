#pragma once

#include <string>

#include "common/limits.h"
#include "common/rpc/server_call.h"
#include "common/status.h"
#include "router/http/http_message.h"

namespace triptych::router {

// What a request's headers say of the call that it makes.
struct CallHeaders {
  CallInfo info;
  std::string request_id;  // the client's, or one that was drawn
};

// The request's tenant, traceparent (ignored unless it is one), X-Request-Timeout
// (seconds from now) and X-Request-Id. kInvalidArgument names the header.
StatusOr<CallHeaders> ReadCallHeaders(const HttpRequest& request, const RequestLimits& limits);

}  // namespace triptych::router
