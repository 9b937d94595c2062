#pragma once

#include <string_view>

#include "common/metrics/exposer.h"
#include "router/image_store.h"

namespace triptych::router {

// Pictures that were sent here, or that articles were illustrated with, over HTTP by their digest
// (hex), as long as they are not forgotten. As with requests, the tenant comes from the
// authorization header.
inline constexpr char kPictureFolder[] = "/v1/pictures/";

std::string_view MediaType(ImageFormat format);  // image/png, ...

HttpExposer::Reply PictureReply(ImageStore& images, const HttpExposer::Request& request);

}  // namespace triptych::router
