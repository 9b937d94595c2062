#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace triptych::router {

// A path of RFC 3986 in plain characters; nothing where it does not begin with a slash, or where a
// percent sign is followed by anything but two hexadecimal digits.
inline std::optional<std::string> PercentDecode(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  if (!text.starts_with('/')) return std::nullopt;
  std::string path;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      path += text[i];
      continue;
    }
    if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0)
      return std::nullopt;
    path += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
  return path;
}

}  // namespace triptych::router
