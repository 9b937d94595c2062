#include "router/picture_page.h"

#include "common/hash/sha256.h"
#include "router/tenant.h"

namespace triptych::router {

std::string_view MediaType(ImageFormat format) {
  switch (format) {
    case ImageFormat::kPng:
      return "image/png";
    case ImageFormat::kJpeg:
      return "image/jpeg";
    case ImageFormat::kWebp:
      return "image/webp";
    case ImageFormat::kGif:
      return "image/gif";
    case ImageFormat::kBmp:
      return "image/bmp";
  }
  return "application/octet-stream";
}

HttpExposer::Reply PictureReply(ImageStore& images, const HttpExposer::Request& request) {
  const std::optional<Sha256Digest> digest = Sha256FromHex(request.rest);
  if (!digest)
    return {.status = 404, .body = "a picture is named by its SHA-256, 64 hexadecimal digits\n"};
  const std::optional<StoredImage> image = images.Find(TenantOf(request.authorization), *digest);
  if (!image) return {.status = 404, .body = "no such picture was sent, or it is forgotten\n"};
  return {.content_type = std::string(MediaType(image->header.format)), .body = *image->file};
}

}  // namespace triptych::router
