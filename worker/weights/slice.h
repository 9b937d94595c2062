#pragma once

#include <cstdint>

namespace triptych::weights {

// Which part of a stored tensor to read: rows [begin, end) of dimension `dim`; dim < 0 takes all.
struct Slice {
  int dim = -1;
  int64_t begin = 0;
  int64_t end = 0;
  static Slice All() { return {}; }
  bool is_all() const { return dim < 0; }
};

}  // namespace triptych::weights
