#pragma once

#include <cstdint>
#include <span>

namespace triptych::vision {

// BMP's RLE8 and RLE4 into one index for each pixel, rows in stored order; skipped pixels are index 0. `indices` is zero before. False where
// the runs end before the last pixel. Linear in the file and the picture.
bool ExpandRunLengths(std::span<const uint8_t> file, size_t at, bool rle4, int32_t width, std::span<uint8_t> indices);

}  // namespace triptych::vision
