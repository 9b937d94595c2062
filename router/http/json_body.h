#pragma once

#include <string>

#include "common/status.h"
#include "nlohmann/json.hpp"

namespace triptych::router {

// The JSON object that is a request's body. kInvalidArgument (reason JSON) says where it is none,
// or that it is nested too deeply or holds more values than any request needs, which is found out
// before memory is spent on them.
StatusOr<nlohmann::json> ParseJsonBody(std::string body);

}  // namespace triptych::router
