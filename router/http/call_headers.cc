#include "router/http/call_headers.h"

#include <algorithm>
#include <charconv>

#include "router/random_number.h"
#include "router/validation/field_error.h"
#include "router/validation/options.h"

namespace triptych::router {
namespace {

constexpr double kMaxTimeoutSeconds = 86400;

// W3C Trace Context, level 1: version-trace-parent-flags in small hexadecimal digits.
bool IsTraceParent(std::string_view text) {
  constexpr std::string_view kForm = "00-00000000000000000000000000000000-0000000000000000-00";
  return std::ranges::equal(text, kForm, [](char c, char form) {
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    return form == '-' ? c == '-' : digit;
  });
}

}  // namespace

StatusOr<CallHeaders> ReadCallHeaders(const HttpRequest& request, const RequestLimits& limits) {
  CallHeaders headers;
  headers.info.peer = request.peer;
  headers.info.tenant = request.tenant;
  const std::string_view trace = request.Header("traceparent");
  if (IsTraceParent(trace)) headers.info.trace_parent = std::string(trace);
  headers.request_id = std::string(request.Header("x-request-id"));
  if (!CheckRequestId(headers.request_id, limits).ok())
    return BadField("REQUEST_ID",
                    "X-Request-Id",
                    "at most {} letters, digits and any of . _ : -",
                    limits.max_request_id_bytes);
  if (headers.request_id.empty()) headers.request_id = DrawRequestId();
  const std::string_view timeout = request.Header("x-request-timeout");
  if (timeout.empty()) return headers;
  double seconds = 0;
  const auto [end, error] =
      std::from_chars(timeout.data(), timeout.data() + timeout.size(), seconds);
  const bool whole = error == std::errc() && end == timeout.data() + timeout.size();
  if (!whole || !(seconds > 0 && seconds <= kMaxTimeoutSeconds))
    return BadField("TIMEOUT",
                    "X-Request-Timeout",
                    "must be seconds, above 0 and at most {}",
                    kMaxTimeoutSeconds);
  headers.info.deadline = std::chrono::steady_clock::now() +
                          std::chrono::duration_cast<Duration>(
                              std::chrono::duration<double>(seconds));
  return headers;
}

}  // namespace triptych::router
