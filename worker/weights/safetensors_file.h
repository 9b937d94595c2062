#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "common/string_map.h"
#include "worker/weights/mapped_file.h"
#include "worker/weights/safetensors_header.h"
#include "worker/weights/slice.h"

namespace triptych::weights {

// One safetensors file, memory-mapped, its header checked strictly when it is opened. Every error
// names the file and, where there is one, the tensor. Immutable, thread-safe.
class SafetensorsFile {
 public:
  static StatusOr<SafetensorsFile> Open(const std::string& path);

  const std::string& path() const { return path_; }
  std::vector<std::string> Names() const;                // in the order of their bytes
  const TensorEntry* Find(std::string_view name) const;  // null when it is not there
  // A copy on the CPU, contiguous, in the stored dtype. kFailedPrecondition for names and dtypes
  // that it cannot give, and for slices outside the shape.
  StatusOr<at::Tensor> Read(std::string_view name, Slice slice = Slice::All()) const;

 private:
  std::string path_;
  std::shared_ptr<const MappedFile> file_;
  const std::byte* data_ = nullptr;  // behind the header, in file_
  std::vector<TensorEntry> entries_;
  StringMap<size_t> index_;
};

}  // namespace triptych::weights
