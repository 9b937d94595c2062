#include "worker/weights/safetensors_file.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "worker/weights/mapped_file.h"
#include "worker/weights/safetensors_header.h"

namespace triptych::weights {
namespace {

constexpr size_t kLengthBytes = 8;

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

}  // namespace

StatusOr<TensorFile> OpenSafetensors(const std::string& path) {
  TRIPTYCH_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> mapped, MappedFile::Open(path));
  const std::span<const std::byte> bytes = mapped->bytes();
  const StatusOr<uint64_t> header_bytes = HeaderBytes(bytes);
  if (!header_bytes.ok()) return WithContext(path, header_bytes.status());
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                              *header_bytes);
  StatusOr<std::vector<TensorEntry>> entries = ParseSafetensorsHeader(
      json, static_cast<int64_t>(bytes.size() - kLengthBytes - *header_bytes));
  if (!entries.ok()) return WithContext(path, entries.status());

  const std::byte* data = bytes.data() + kLengthBytes + *header_bytes;
  std::vector<StoredTensor> tensors;
  for (TensorEntry& entry : *entries) {
    std::vector<int64_t> strides = ContiguousStrides(entry.shape);
    tensors.push_back({.name = std::move(entry.name),
                       .dtype = std::move(entry.dtype),
                       .shape = std::move(entry.shape),
                       .strides = std::move(strides),
                       .data = data + entry.begin});
  }
  return TensorFile(path, std::move(mapped), std::move(tensors));
}

}  // namespace triptych::weights
