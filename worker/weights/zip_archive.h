#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "common/string_map.h"

namespace triptych::weights {

// A file in a zip archive: bytes [begin, begin + size) of it.
struct ZipEntry {
  std::string name;
  uint64_t begin = 0;
  uint64_t size = 0;
  uint32_t crc32 = 0;
};

inline constexpr size_t kMaxZipEntries = 1 << 17;
inline constexpr size_t kMaxZipNameBytes = 512;

// The directory of a zip archive whose entries are stored as they are, as torch.save writes it
// (PKWARE APPNOTE 6.3; zip64). Strict: nothing may be compressed or encrypted, no name may come
// twice, no two entries may share a byte, each entry's own header must agree with the directory,
// and nothing follows the directory. The bytes must outlive it.
class ZipArchive {
 public:
  // kFailedPrecondition names the entry, where there is one.
  static StatusOr<ZipArchive> Parse(std::span<const std::byte> file);

  const std::vector<ZipEntry>& entries() const { return entries_; }  // in the order of their bytes
  const ZipEntry* Find(std::string_view name) const;                 // null when it is not there
  std::span<const std::byte> BytesOf(const ZipEntry& entry) const {
    return file_.subspan(entry.begin, entry.size);
  }
  // The same, after a look at the checksum: for small entries, because it reads all of them.
  StatusOr<std::span<const std::byte>> CheckedBytesOf(const ZipEntry& entry) const;

 private:
  std::span<const std::byte> file_;
  std::vector<ZipEntry> entries_;
  StringMap<size_t> index_;
};

// As zip archives have it: polynomial 0xEDB88320, reflected.
uint32_t Crc32(std::span<const std::byte> bytes);

}  // namespace triptych::weights
