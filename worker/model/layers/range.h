#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "common/status.h"

namespace triptych::model::layers {

// Neighbouring things [begin, end) of a dimension: rows or columns of a stored tensor, heads,
// ranks.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
  auto operator<=>(const Range&) const = default;
};

// Part `index` of `n` things cut into `count` parts, as evenly as can be: the first n % count parts
// have one more.
constexpr Range PartOf(int64_t n, int64_t index, int64_t count) {
  const int64_t each = n / count;
  const int64_t more = n % count;
  return {index * each + std::min(index, more), (index + 1) * each + std::min(index + 1, more)};
}

// kFailedPrecondition where `n` things, named by `what`, are too few for each of `size` ranks to
// have one.
Status CheckRanks(int64_t size, int64_t n, std::string_view what);

}  // namespace triptych::model::layers
