#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "common/limits.h"
#include "common/model_card/image_geometry.h"
#include "common/status.h"

namespace triptych {

enum class ImageFormat { kPng, kJpeg, kWebp, kGif, kBmp };
std::string_view Name(ImageFormat format);

struct ImageHeader {
  ImageFormat format;
  ImageSize size;  // as stored: EXIF orientation is not applied, as the reference does not
};

// Format by magic bytes and size from the header, without decoding and without allocating. kInvalidArgument (reasons
// IMAGE_EMPTY, IMAGE_FORMAT, IMAGE_CORRUPT, IMAGE_TOO_LARGE) names what was found and what is allowed. Linear in the header only.
StatusOr<ImageHeader> ReadImageHeader(std::span<const uint8_t> file, const RequestLimits& limits);

}  // namespace triptych
