#include "router/http/image_reference.h"

#include <utility>

#include "router/base64.h"
#include "router/picture_page.h"
#include "router/validation/field_error.h"

namespace triptych::router {

StatusOr<v1::Image> ReadImageReference(std::string_view url, std::string_view field) {
  constexpr std::string_view kBase64 = ";base64";
  v1::Image image;
  if (url.starts_with(kPictureFolder)) {
    image.set_sha256(std::string(url.substr(std::string_view(kPictureFolder).size())));
    return image;
  }
  if (url.starts_with("http:") || url.starts_with("https:")) {  // allowed or not: fetch/
    image.set_url(std::string(url));
    return image;
  }
  const size_t comma = url.find(',');
  if (!url.starts_with("data:") || comma == url.npos ||
      !url.substr(0, comma).ends_with(kBase64))
    return BadField("IMAGE_URL", field, "must be data:image/TYPE;base64,..., https://... or {}SHA256",
                    kPictureFolder);
  std::optional<std::string> file = FromBase64(url.substr(comma + 1));
  if (!file)
    return BadField("BASE64", field, "the part behind the comma is not Base64 (RFC 4648, padded)");
  if (file->empty()) return BadField("EMPTY", field, "the picture is empty");
  image.set_data(*std::move(file));
  return image;
}

}  // namespace triptych::router
