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

  std::string Origin() const;  // scheme, host and port
  // kInvalidArgument: another scheme, no host, user names, a port out of range, characters that
  // belong into no URL.
  static StatusOr<HttpUrl> Parse(std::string_view text);
};

struct FetchLimits {
  int64_t max_bytes = 0;  // of the answer's body
  TimePoint deadline = TimePoint::max();
  // Only addresses of the public internet are connected to (public_address.h), whatever the host's
  // name resolves to. A name is resolved once, and what was checked is what is connected to.
  bool only_public = false;
};

struct HttpAnswer {
  int status = 0;
  std::string location;  // of a redirect
  std::string body;
};

// One request over a connection of its own: POST where there is a body (JSON), else GET.
// Certificates are checked against the system's. kUnavailable: cannot be reached;
// kFailedPrecondition: no address that may be; kResourceExhausted: a body above max_bytes;
// kDeadlineExceeded.
Task<StatusOr<HttpAnswer>> AskHttp(HttpUrl url, std::string json, FetchLimits limits);

// The body of a 200; another status is kUnavailable. Redirects are not followed, so that a host
// that is trusted cannot lead to one that is not.
Task<StatusOr<std::string>> FetchHttp(HttpUrl url, std::string json, FetchLimits limits);

}  // namespace triptych::router
