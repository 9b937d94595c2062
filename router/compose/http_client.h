#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/async/task.h"
#include "common/clock.h"
#include "common/status.h"

namespace triptych::router {

// Where an http or https URL points.
struct HttpUrl {
  bool tls = false;
  std::string host;
  std::string port;
  std::string target;  // path and query

  // kInvalidArgument: another scheme, no host, user names, a port out of range, characters that
  // belong into no URL.
  static StatusOr<HttpUrl> Parse(std::string_view text);
};

// One request over a connection of its own: POST where there is a body (JSON), else GET. Gives the
// body of a 200; redirects are not followed, so that a host that is trusted cannot lead to one that
// is not. Certificates are checked against the system's. kUnavailable: cannot be reached, or
// another status; kResourceExhausted: a body above `max_bytes`; kDeadlineExceeded.
Task<StatusOr<std::string>> FetchHttp(HttpUrl url,
                                      std::string json,
                                      int64_t max_bytes,
                                      TimePoint deadline);

}  // namespace triptych::router
