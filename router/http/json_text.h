#pragma once

#include <string>

#include "nlohmann/json.hpp"

namespace triptych::router {

// In one line; bytes that are no UTF-8 (a token may be part of a character) become U+FFFD.
inline std::string JsonText(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace triptych::router
