#pragma once

#include <cstdint>

namespace triptych::model::layers {

// Neighbouring rows [begin, begin + count) of a step: a picture's rows, mostly.
struct RowRun {
  int64_t begin = 0;
  int64_t count = 0;
  auto operator<=>(const RowRun&) const = default;
};

}  // namespace triptych::model::layers
