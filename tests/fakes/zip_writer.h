#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace triptych::fakes {

// How an entry is written. The sizes and the place that its headers claim can be made to lie.
struct ZipEntryOptions {
  uint16_t flags = 0;
  uint16_t method = 0;
  bool zip64 = false;        // in the directory: sizes and place in 64 bits
  int64_t claimed_more = 0;  // bytes, in the directory and the entry's own header
  int64_t header_shift = 0;  // of its place, in the directory
  std::string local_name;    // in its own header, instead of its name
  bool wrong_checksum = false;
};

// Writes zip archives, good ones and others, byte by byte.
class ZipWriter {
 public:
  ZipWriter& Add(std::string_view name,
                 std::string_view content,
                 const ZipEntryOptions& options = {});
  std::string Bytes(bool zip64 = false) const;  // with a 64-bit end record too
  size_t bytes_before_directory() const { return body_.size(); }

 private:
  std::string body_;
  std::string directory_;
  uint64_t num_entries_ = 0;
};

// An archive as torch.save lays it out: folder "archive", a pickle, and storages by key.
struct StoredRecord {
  std::string key;
  std::string bytes;
};
std::string TorchArchiveBytes(std::string_view pickle,
                              const std::vector<StoredRecord>& storages = {});

}  // namespace triptych::fakes
