#pragma once

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

#include "common/limits.h"
#include "common/status.h"

namespace triptych::vision {

// The pixels of a PNG, JPEG, WebP, GIF or BMP file as [height, width, 3] uint8 RGB, byte for byte what the reference's
// `Image.open(file).convert("RGB")` gives: alpha is dropped without compositing, 16-bit grey is clipped to 255 (not scaled),
// CMYK is taken as Adobe's inverted one, of an animation the first frame counts, and EXIF orientation is NOT applied.
//
// Stricter than the reference in one way: a file whose end is missing is refused even where all its pixels are there.
// Format, size and aspect are checked from the header before anything is allocated. kInvalidArgument with the reasons of
// ReadImageHeader, or IMAGE_CORRUPT; messages never carry a library's text. Thread-safe.
StatusOr<at::Tensor> DecodeImage(std::span<const uint8_t> file, const RequestLimits& limits);

}  // namespace triptych::vision
