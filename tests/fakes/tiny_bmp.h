#pragma once

#include <cstdint>
#include <string>

namespace triptych::fakes {

// A 24-bit BMP file of 4 x 4 pixels, another one for each seed.
inline std::string TinyBmp(uint32_t seed) {
  constexpr uint32_t kSide = 4, kHeader = 54, kPixels = kSide * kSide * 3;
  std::string file(kHeader + kPixels, '\0');
  const auto put = [&file](size_t at, uint32_t value) {
    for (int i = 0; i < 4; ++i) file[at + i] = static_cast<char>(value >> 8 * i);
  };
  file[0] = 'B';
  file[1] = 'M';
  put(2, kHeader + kPixels);
  put(10, kHeader);
  put(14, 40);
  put(18, kSide);
  put(22, kSide);
  file[26] = 1;
  file[28] = 24;
  put(34, kPixels);
  for (uint32_t i = 0; i < kPixels; ++i) file[kHeader + i] = static_cast<char>((seed * 2654435761u + i * 40503u) >> 13);
  return file;
}

}  // namespace triptych::fakes
