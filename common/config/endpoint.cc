#include "common/config/endpoint.h"

#include <charconv>

namespace triptych {

StatusOr<Endpoint> Endpoint::Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  Endpoint endpoint;
  const char* const end = text.data() + text.size();
  bool good = colon != std::string_view::npos && colon > 0 && colon + 1 < text.size();
  if (good) {
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, endpoint.port);
    good = error == std::errc() && stop == end && endpoint.port >= 0 && endpoint.port <= 65535;
    endpoint.host = std::string(text.substr(0, colon));
    const bool bracketed = endpoint.host.front() == '[' && endpoint.host.back() == ']';
    if (bracketed) endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
    good = good && !endpoint.host.empty() && (bracketed || endpoint.host.find(':') == std::string::npos);
  }
  if (!good) return InvalidArgument("'{}' is not HOST:PORT with a port from 0 to 65535", text);
  return endpoint;
}

std::string Endpoint::ToString() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

}  // namespace triptych
