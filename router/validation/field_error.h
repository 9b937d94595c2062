#pragma once

#include <string_view>
#include <utility>

#include "common/status_reason.h"
#include "common/status.h"

namespace triptych::router {

// The error of one request field: names the field in the message and, for programs, with a reason.
template <typename... Args>
Status BadField(std::string_view reason,
                std::string_view field,
                fmt::format_string<Args...> format,
                Args&&... args) {
  const std::string text = fmt::format(format, std::forward<Args>(args)...);
  return WithReason(InvalidArgument("{}: {}", field, text), reason, field);
}

// A number outside [min, max], or not a number at all.
Status CheckRange(std::string_view field, double value, double min, double max);

// A count above what is allowed.
Status CheckCount(std::string_view field, int64_t count, int64_t max);

}  // namespace triptych::router
