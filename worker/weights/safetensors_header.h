#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace triptych::weights {

// One tensor as the header of a safetensors file describes it: bytes [begin, end) of what follows
// the header.
struct TensorEntry {
  std::string name;
  std::string dtype;  // as written: "BF16"
  std::vector<int64_t> shape;
  int64_t begin = 0;
  int64_t end = 0;
};

inline constexpr int64_t kMaxHeaderBytes = 100'000'000;
inline constexpr size_t kMaxTensors = 65536;
inline constexpr size_t kMaxTensorNameBytes = 512;
inline constexpr size_t kMaxDimensions = 8;

// Bytes of one element; 0 for a dtype that the format does not have.
int64_t DtypeBytes(std::string_view dtype);

// Strict: `json` is one object padded with spaces only; each entry has exactly dtype, shape and
// data_offsets, names do not repeat, sizes equal shape times dtype, and the tensors cover [0,
// data_bytes) without gap or overlap. Entries come in order of their bytes. Every error names the
// tensor.
StatusOr<std::vector<TensorEntry>> ParseSafetensorsHeader(std::string_view json,
                                                          int64_t data_bytes);

}  // namespace triptych::weights
