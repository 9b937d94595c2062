#include "worker/weights/tensor_file.h"

#include <cstring>
#include <optional>
#include <utility>

#include <ATen/ops/empty.h>

#include "worker/weights/safetensors_header.h"

namespace triptych::weights {
namespace {

std::optional<at::ScalarType> TorchDtype(std::string_view dtype) {
  if (dtype == "BF16") return at::kBFloat16;
  if (dtype == "F16") return at::kHalf;
  if (dtype == "F32") return at::kFloat;
  if (dtype == "F64") return at::kDouble;
  if (dtype == "I64") return at::kLong;
  if (dtype == "I32") return at::kInt;
  if (dtype == "I16") return at::kShort;
  if (dtype == "I8") return at::kChar;
  if (dtype == "U8") return at::kByte;
  if (dtype == "BOOL") return at::kBool;
  return std::nullopt;
}

// Copies `shape` elements with `strides` to one place, in the longest runs that lie side by side.
void Gather(const std::byte* source,
            const std::vector<int64_t>& shape,
            const std::vector<int64_t>& strides,
            int64_t element_bytes,
            std::byte* target) {
  int64_t run = 1;  // elements
  size_t outer = shape.size();
  while (outer > 0 && (shape[outer - 1] == 1 || strides[outer - 1] == run)) run *= shape[--outer];
  const auto run_bytes = static_cast<size_t>(run * element_bytes);
  std::vector<int64_t> index(outer, 0);
  int64_t offset = 0;
  while (true) {
    std::memcpy(target, source + offset * element_bytes, run_bytes);
    target += run_bytes;
    size_t dim = outer;
    while (dim > 0 && index[dim - 1] == shape[dim - 1] - 1) {
      --dim;
      offset -= index[dim] * strides[dim];
      index[dim] = 0;
    }
    if (dim == 0) return;
    ++index[dim - 1];
    offset += strides[dim - 1];
  }
}

}  // namespace

int64_t StoredTensor::bytes() const {
  int64_t bytes = DtypeBytes(dtype);
  for (const int64_t extent : shape) bytes *= extent;
  return bytes;
}

TensorFile::TensorFile(std::string path,
                       std::shared_ptr<const MappedFile> file,
                       std::vector<StoredTensor> tensors)
    : path_(std::move(path)), file_(std::move(file)), tensors_(std::move(tensors)) {
  for (size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
}

const StoredTensor* TensorFile::Find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

StatusOr<at::Tensor> TensorFile::Read(std::string_view name, Slice slice) const {
  const StoredTensor* stored = Find(name);
  if (stored == nullptr) return FailedPrecondition("{}: has no tensor '{}'", path_, name);
  const std::optional<at::ScalarType> dtype = TorchDtype(stored->dtype);
  if (!dtype)
    return FailedPrecondition(
        "{}: tensor '{}': dtype {} cannot be read", path_, name, stored->dtype);
  std::vector<int64_t> shape = stored->shape;
  const std::byte* source = stored->data;
  const int64_t element_bytes = DtypeBytes(stored->dtype);
  if (!slice.is_all()) {
    if (slice.dim >= static_cast<int>(shape.size()) || slice.begin < 0 ||
        slice.begin >= slice.end || slice.end > shape[slice.dim]) {
      return FailedPrecondition("{}: tensor '{}': no rows [{}, {}) in dimension {}",
                                path_,
                                name,
                                slice.begin,
                                slice.end,
                                slice.dim);
    }
    shape[slice.dim] = slice.end - slice.begin;
    source += slice.begin * stored->strides[slice.dim] * element_bytes;
  }
  at::Tensor part = at::empty(shape, *dtype);
  Gather(source,
         shape,
         stored->strides,
         element_bytes,
         static_cast<std::byte*>(part.mutable_data_ptr()));
  return part;
}

std::vector<int64_t> ContiguousStrides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

}  // namespace triptych::weights
