#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <ATen/core/Tensor.h>

#include "common/limits.h"
#include "common/model_card/image_geometry.h"
#include "common/status.h"

// One function for each format, behind DecodeImage. All take a file whose header gave `size`, within the limits; what the library
// finds later must agree. Libraries that leave by longjmp are wrapped in a reader object that owns their state: no function
// that calls setjmp has a local with a destructor.
namespace triptych::vision {

StatusOr<at::Tensor> DecodePng(std::span<const uint8_t> file, ImageSize size);
StatusOr<at::Tensor> DecodeJpeg(std::span<const uint8_t> file, ImageSize size);
StatusOr<at::Tensor> DecodeWebp(std::span<const uint8_t> file, ImageSize size);
StatusOr<at::Tensor> DecodeGif(std::span<const uint8_t> file, ImageSize size, const RequestLimits& limits);
StatusOr<at::Tensor> DecodeBmp(std::span<const uint8_t> file, ImageSize size);

// kInvalidArgument, reason IMAGE_CORRUPT.
Status CorruptImage(std::string_view format, std::string_view what);

}  // namespace triptych::vision
