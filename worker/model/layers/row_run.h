#pragma once

#include <cstdint>
#include <vector>

namespace triptych::model::layers {

// Neighbouring rows [begin, begin + count) of a step: a picture's rows, mostly.
struct RowRun {
  int64_t begin = 0;
  int64_t count = 0;
  auto operator<=>(const RowRun&) const = default;
};

// Rows of sequences that use an adapter, by its number from 1.
struct AdapterRun {
  RowRun rows;
  int32_t adapter = 0;
  auto operator<=>(const AdapterRun&) const = default;
};

// Which rows of a step low-rank pairs are added to, in order. Rows in no run have none.
struct LowRankRows {
  std::vector<RowRun> images;
  std::vector<AdapterRun> adapters;
};

}  // namespace triptych::model::layers
