#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "common/string_map.h"
#include "worker/weights/mapped_file.h"
#include "worker/weights/slice.h"

namespace triptych::weights {

// A tensor in a mapped file, all of it checked to lie there.
struct StoredTensor {
  std::string name;
  std::string dtype;  // as safetensors names it: "BF16"
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;     // in elements, none negative
  const std::byte* data = nullptr;  // of the first element; not aligned

  int64_t bytes() const;  // of its elements when they lie side by side
};

// One weight file of any format, memory-mapped: a list of tensors. Every error names the file and,
// where there is one, the tensor. Immutable, thread-safe.
class TensorFile {
 public:
  // `tensors`: of different names, their data in `file`.
  TensorFile(std::string path,
             std::shared_ptr<const MappedFile> file,
             std::vector<StoredTensor> tensors);

  const std::string& path() const { return path_; }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  const StoredTensor* Find(std::string_view name) const;  // null when it is not there
  // A copy on the CPU, contiguous, in the stored dtype; touches the slice's bytes alone.
  // kFailedPrecondition for names and dtypes that it cannot give, and for slices outside the shape.
  StatusOr<at::Tensor> Read(std::string_view name, Slice slice = Slice::All()) const;

 private:
  std::string path_;
  std::shared_ptr<const MappedFile> file_;
  std::vector<StoredTensor> tensors_;
  StringMap<size_t> index_;
};

// Strides of a tensor whose elements lie side by side, the last dimension's next to each other.
std::vector<int64_t> ContiguousStrides(const std::vector<int64_t>& shape);

}  // namespace triptych::weights
