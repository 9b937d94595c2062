#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"

namespace triptych::weights {

// Which part of a stored tensor to read: rows [begin, end) of dimension `dim`; dim < 0 takes all.
struct Slice {
  int dim = -1;
  int64_t begin = 0;
  int64_t end = 0;
  static Slice All() { return {}; }
};

// Reads a checkpoint's tensors, each rank only its slices (memory-mapped: other bytes are not touched). Immutable, thread-safe.
class WeightLoader {
 public:
  virtual ~WeightLoader() = default;
  // The stored dtype, on the CPU, contiguous. `shape` is what the caller expects of the whole stored tensor: kFailedPrecondition
  // names the tensor, the file, what was found and what was wanted, also when it is missing.
  virtual StatusOr<at::Tensor> Load(std::string_view name, const std::vector<int64_t>& shape, Slice slice) const = 0;
  virtual bool Has(std::string_view name) const = 0;
  // The whole stored shape, for what is read from shapes (LoRA ranks, position tables).
  virtual StatusOr<std::vector<int64_t>> Shape(std::string_view name) const = 0;
  virtual std::vector<std::string> Names() const = 0;
};

}  // namespace triptych::weights
