#include "router/http/error_reply.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "common/log/log.h"
#include "common/status_reason.h"
#include "nlohmann/json.hpp"
#include "router/http/json_text.h"

namespace triptych::router {
namespace {

constexpr size_t kMaxMessageBytes = 1024;
constexpr int kClientGone = 499;  // nginx's; nobody reads it

constexpr std::pair<std::string_view, int> kStatuses[] = {
    {kBodyTooLarge, 413}, {kHeaderTooLarge, 431}, {kMediaType, 415}, {kMethod, 405}};

std::string_view TypeOf(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    default:
      return status < 500 ? "invalid_request_error" : "server_error";
  }
}

// The names that OpenAI has for some of our reasons.
std::string CodeOf(std::string reason) {
  if (reason == "PROMPT_TOO_LONG") return "context_length_exceeded";
  if (reason == "MODEL_UNKNOWN") return "model_not_found";
  std::ranges::transform(
      reason, reason.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return reason;
}

nlohmann::json OrNull(std::string text) {
  return text.empty() ? nlohmann::json() : nlohmann::json(std::move(text));
}

}  // namespace

int HttpStatusOf(const Status& status) {
  const std::string reason = ReasonOf(status);
  for (const auto& [name, http] : kStatuses) {
    if (name == reason) return http;
  }
  switch (status.code()) {
    case StatusCode::kOk:
      return 200;
    case StatusCode::kInvalidArgument:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kOutOfRange:
      return 400;
    case StatusCode::kUnauthenticated:
      return 401;
    case StatusCode::kPermissionDenied:
      return 403;
    case StatusCode::kNotFound:
      return 404;
    case StatusCode::kAlreadyExists:
    case StatusCode::kAborted:
      return 409;
    case StatusCode::kResourceExhausted:
      return 429;
    case StatusCode::kCancelled:
      return kClientGone;
    case StatusCode::kUnimplemented:
      return 501;
    case StatusCode::kUnavailable:
      return 503;
    case StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

std::string ErrorJson(const Status& status) {
  const nlohmann::json error = {{"message", Message(status).substr(0, kMaxMessageBytes)},
                                {"type", TypeOf(HttpStatusOf(status))},
                                {"param", OrNull(FieldOf(status))},
                                {"code", OrNull(CodeOf(ReasonOf(status)))}};
  return JsonText({{"error", error}});
}

void LogRefused(const Status& status) {
  spdlog::info("HTTP request refused: {} {}", ReasonOf(status), LogId(FieldOf(status)));
}

HttpReply ErrorReply(const Status& status) {
  HttpReply reply{.status = HttpStatusOf(status),
                  .content_type = "application/json",
                  .body = ErrorJson(status)};
  const bool passes = reply.status == 429 || reply.status == 503;
  if (passes) reply.headers.emplace_back("Retry-After", "1");
  if (reply.status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

}  // namespace triptych::router
