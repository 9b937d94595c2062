#pragma once

#include <string_view>

#include "common/status.h"
#include "router/http/http_message.h"
#include "router/image_store.h"

namespace triptych::router {

// Pictures that were sent here, or that articles were illustrated with, over HTTP by their digest
// (hex), as long as they are not forgotten.
inline constexpr char kPictureFolder[] = "/v1/pictures/";

std::string_view MediaType(ImageFormat format);  // image/png, ...

// kNotFound for what is no digest of a picture of the tenant's.
StatusOr<HttpReply> PictureReply(ImageStore& images, const HttpRequest& request);

}  // namespace triptych::router
