#pragma once

#include <string_view>

#include "common/status.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// The picture that a URL of a request names: `data:image/...;base64,...` holds it;
// /v1/pictures/SHA256 is one that was sent before, or that an article shows; https://... is fetched
// where the operator allows its host. kInvalidArgument for any other.
StatusOr<v1::Image> ReadImageReference(std::string_view url, std::string_view field);

}  // namespace triptych::router
