#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmt/format.h"

// The project's one way to fail: Abseil's Status, with codes that are gRPC's and mean one thing each:
//   kInvalidArgument    the client is wrong           kResourceExhausted   full: try again later
//   kUnavailable        draining, gone, not yet here  kInternal            our bug
//   kNotFound           no such model, image, key     kFailedPrecondition  configuration or checkpoint is wrong
namespace triptych {

using absl::Status;
using absl::StatusCode;
template <typename T>
using StatusOr = absl::StatusOr<T>;

inline Status OkStatus() { return absl::OkStatus(); }

// The text of a status as a std::string_view (Debian's absl::string_view is another type).
inline std::string_view Message(const Status& status) {
  const absl::string_view text = status.message();
  return {text.data(), text.size()};
}

template <typename... Args>
Status MakeStatus(StatusCode code, fmt::format_string<Args...> format, Args&&... args) {
  return Status(code, fmt::format(format, std::forward<Args>(args)...));
}

#define TRIPTYCH_STATUS_MAKER(Name)                                            \
  template <typename... Args>                                                  \
  Status Name(fmt::format_string<Args...> format, Args&&... args) {            \
    return MakeStatus(StatusCode::k##Name, format, std::forward<Args>(args)...); \
  }
TRIPTYCH_STATUS_MAKER(InvalidArgument)
TRIPTYCH_STATUS_MAKER(NotFound)
TRIPTYCH_STATUS_MAKER(ResourceExhausted)
TRIPTYCH_STATUS_MAKER(FailedPrecondition)
TRIPTYCH_STATUS_MAKER(Unavailable)
TRIPTYCH_STATUS_MAKER(Unimplemented)
TRIPTYCH_STATUS_MAKER(Internal)
TRIPTYCH_STATUS_MAKER(Cancelled)
TRIPTYCH_STATUS_MAKER(DeadlineExceeded)
TRIPTYCH_STATUS_MAKER(Aborted)
#undef TRIPTYCH_STATUS_MAKER

// The same code with "context: " before the message.
inline Status WithContext(std::string_view context, const Status& status) {
  return status.ok() ? status : Status(status.code(), fmt::format("{}: {}", context, Message(status)));
}

}  // namespace triptych

#define TRIPTYCH_CONCAT_INNER(a, b) a##b
#define TRIPTYCH_CONCAT(a, b) TRIPTYCH_CONCAT_INNER(a, b)

// In functions that return Status or StatusOr (not in coroutines: see TRIPTYCH_CO_*).
#define TRIPTYCH_RETURN_IF_ERROR(expression)                       \
  do {                                                             \
    if (::triptych::Status status_ = (expression); !status_.ok()) { \
      return status_;                                              \
    }                                                              \
  } while (false)

#define TRIPTYCH_ASSIGN_OR_RETURN(target, expression) \
  TRIPTYCH_ASSIGN_OR_RETURN_INNER(TRIPTYCH_CONCAT(status_or_, __LINE__), target, expression)
#define TRIPTYCH_ASSIGN_OR_RETURN_INNER(name, target, expression) \
  auto name = (expression);                                       \
  if (!name.ok()) return std::move(name).status();                \
  target = *std::move(name)

// The same in coroutines. Bind a co_await to a variable before: `auto reply = co_await Call(...)`.
#define TRIPTYCH_CO_RETURN_IF_ERROR(expression)                    \
  do {                                                             \
    if (::triptych::Status status_ = (expression); !status_.ok()) { \
      co_return status_;                                           \
    }                                                              \
  } while (false)

#define TRIPTYCH_CO_ASSIGN_OR_RETURN(target, expression) \
  TRIPTYCH_CO_ASSIGN_OR_RETURN_INNER(TRIPTYCH_CONCAT(status_or_, __LINE__), target, expression)
#define TRIPTYCH_CO_ASSIGN_OR_RETURN_INNER(name, target, expression) \
  auto name = (expression);                                          \
  if (!name.ok()) co_return std::move(name).status();                \
  target = *std::move(name)
