#include "worker/weights/safetensors_file.h"

#include <cstring>
#include <optional>
#include <utility>

#include <ATen/ops/empty.h>

namespace triptych::weights {
namespace {

constexpr size_t kLengthBytes = 8;

std::optional<at::ScalarType> TorchDtype(std::string_view dtype) {
  if (dtype == "BF16") return at::kBFloat16;
  if (dtype == "F16") return at::kHalf;
  if (dtype == "F32") return at::kFloat;
  if (dtype == "F64") return at::kDouble;
  if (dtype == "I64") return at::kLong;
  if (dtype == "I32") return at::kInt;
  if (dtype == "U8") return at::kByte;
  if (dtype == "BOOL") return at::kBool;
  return std::nullopt;
}

// The header's length, checked against the file before anything is allocated by it.
StatusOr<uint64_t> HeaderBytes(std::span<const std::byte> file) {
  if (file.size() < kLengthBytes)
    return FailedPrecondition("the file has {} bytes: too short for a header", file.size());
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length |= std::to_integer<uint64_t>(file[i]) << (8 * i);
  if (length > static_cast<uint64_t>(kMaxHeaderBytes)) {
    return FailedPrecondition(
        "the header claims {} bytes, at most {} are allowed", length, kMaxHeaderBytes);
  }
  if (length > file.size() - kLengthBytes) {
    return FailedPrecondition("the header claims {} bytes of a file of {}", length, file.size());
  }
  return length;
}

// A tensor seen as [outer, extent, inner] around the sliced dimension.
struct Blocks {
  int64_t outer = 1;
  int64_t extent = 1;
  int64_t inner_bytes = 1;
};

Blocks BlocksAround(const TensorEntry& entry, int dim) {
  Blocks blocks{.inner_bytes = DtypeBytes(entry.dtype)};
  for (size_t i = 0; i < entry.shape.size(); ++i) {
    if (static_cast<int>(i) < dim) blocks.outer *= entry.shape[i];
    if (static_cast<int>(i) == dim) blocks.extent = entry.shape[i];
    if (static_cast<int>(i) > dim) blocks.inner_bytes *= entry.shape[i];
  }
  return blocks;
}

}  // namespace

StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  TRIPTYCH_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> mapped, MappedFile::Open(path));
  const std::span<const std::byte> bytes = mapped->bytes();
  const StatusOr<uint64_t> header_bytes = HeaderBytes(bytes);
  if (!header_bytes.ok()) return WithContext(path, header_bytes.status());
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                              *header_bytes);
  StatusOr<std::vector<TensorEntry>> entries = ParseSafetensorsHeader(
      json, static_cast<int64_t>(bytes.size() - kLengthBytes - *header_bytes));
  if (!entries.ok()) return WithContext(path, entries.status());

  SafetensorsFile file;
  file.path_ = path;
  file.file_ = std::move(mapped);
  file.data_ = bytes.data() + kLengthBytes + *header_bytes;
  file.entries_ = *std::move(entries);
  for (size_t i = 0; i < file.entries_.size(); ++i) file.index_.emplace(file.entries_[i].name, i);
  return file;
}

std::vector<std::string> SafetensorsFile::Names() const {
  std::vector<std::string> names;
  names.reserve(entries_.size());
  for (const TensorEntry& entry : entries_) names.push_back(entry.name);
  return names;
}

const TensorEntry* SafetensorsFile::Find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

StatusOr<at::Tensor> SafetensorsFile::Read(std::string_view name, Slice slice) const {
  const TensorEntry* entry = Find(name);
  if (entry == nullptr) return FailedPrecondition("{}: has no tensor '{}'", path_, name);
  const std::optional<at::ScalarType> dtype = TorchDtype(entry->dtype);
  if (!dtype)
    return FailedPrecondition(
        "{}: tensor '{}': dtype {} cannot be read", path_, name, entry->dtype);
  std::vector<int64_t> shape = entry->shape;
  const std::byte* source = data_ + entry->begin;
  if (slice.is_all()) {
    at::Tensor all = at::empty(shape, *dtype);
    std::memcpy(all.mutable_data_ptr(), source, static_cast<size_t>(entry->end - entry->begin));
    return all;
  }
  if (slice.dim >= static_cast<int>(shape.size()) || slice.begin < 0 || slice.begin >= slice.end ||
      slice.end > shape[slice.dim]) {
    return FailedPrecondition("{}: tensor '{}': no rows [{}, {}) in dimension {}",
                              path_,
                              name,
                              slice.begin,
                              slice.end,
                              slice.dim);
  }
  const Blocks blocks = BlocksAround(*entry, slice.dim);
  shape[slice.dim] = slice.end - slice.begin;
  at::Tensor part = at::empty(shape, *dtype);
  auto* target = static_cast<std::byte*>(part.mutable_data_ptr());
  const int64_t run_bytes = (slice.end - slice.begin) * blocks.inner_bytes;
  for (int64_t i = 0; i < blocks.outer; ++i) {
    const int64_t offset = (i * blocks.extent + slice.begin) * blocks.inner_bytes;
    std::memcpy(target + i * run_bytes, source + offset, static_cast<size_t>(run_bytes));
  }
  return part;
}

}  // namespace triptych::weights
