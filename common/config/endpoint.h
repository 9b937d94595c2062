#pragma once

#include <string>
#include <string_view>

#include "common/status.h"

namespace triptych {

// host:port. Port 0 asks for a free one. IPv6 hosts in brackets.
struct Endpoint {
  std::string host = "127.0.0.1";
  int port = 0;

  static StatusOr<Endpoint> Parse(std::string_view text);  // kInvalidArgument names the text and the form wanted
  std::string ToString() const;
  auto operator<=>(const Endpoint&) const = default;
};

}  // namespace triptych
