#include "router/picture_page.h"

#include "common/hash/sha256.h"
#include "common/status_reason.h"

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

StatusOr<HttpReply> PictureReply(ImageStore& images, const HttpRequest& request) {
  const std::optional<Sha256Digest> digest = Sha256FromHex(request.rest);
  if (!digest)
    return WithReason(NotFound("a picture is named by its SHA-256, 64 hexadecimal digits"),
                      "IMAGE_UNKNOWN");
  const auto image = images.Find(request.tenant, *digest);
  if (!image)
    return WithReason(NotFound("no such picture was sent, or it is forgotten"), "IMAGE_UNKNOWN");
  return HttpReply{.content_type = std::string(MediaType(image->header.format)),
                   .body = *image->file,
                   .headers = {{"Cache-Control", "private, max-age=3600"}}};
}

}  // namespace triptych::router
