#pragma once

#include <cstdint>

namespace triptych {

struct ImageSize {
  int32_t width = 0;
  int32_t height = 0;
  auto operator<=>(const ImageSize&) const = default;
};

}  // namespace triptych
