#pragma once

#include <string>

#include "common/status.h"
#include "router/http/http_message.h"

namespace triptych::router {

// Reasons of errors that HTTP has a status of its own for.
inline constexpr char kBodyTooLarge[] = "BODY_TOO_LARGE";      // 413
inline constexpr char kHeaderTooLarge[] = "HEADER_TOO_LARGE";  // 431
inline constexpr char kMediaType[] = "MEDIA_TYPE";             // 415
inline constexpr char kMethod[] = "METHOD";                    // 405

int HttpStatusOf(const Status& status);
// {"error": {"message", "type", "param", "code"}} as OpenAI's clients read it: `param` is the field
// and `code` the reason of the status, each null where there is none.
std::string ErrorJson(const Status& status);
HttpReply ErrorReply(const Status& status);

// One line of the log, without the client's words.
void LogRefused(const Status& status);

}  // namespace triptych::router
