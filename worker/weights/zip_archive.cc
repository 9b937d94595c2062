#include "worker/weights/zip_archive.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "worker/weights/byte_reader.h"

namespace triptych::weights {
namespace {

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kEntrySignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kEnd64Signature = 0x06064b50;
constexpr uint32_t kLocator64Signature = 0x07064b50;
constexpr size_t kEndBytes = 22;
constexpr size_t kLocator64Bytes = 20;
constexpr size_t kEnd64Bytes = 56;
constexpr size_t kEntryBytes = 46;  // without name, extra fields and comment

constexpr uint16_t kStored = 0;
constexpr uint16_t kSizesFollow = 0x0008;  // the local header does not know them yet
constexpr uint16_t kUtf8Names = 0x0800;
constexpr uint16_t kZip64Field = 0x0001;
constexpr uint16_t kSeeZip64Short = 0xffff;
constexpr uint32_t kSeeZip64 = 0xffffffff;

struct Directory {
  uint64_t num_entries = 0;
  uint64_t bytes = 0;
  uint64_t begin = 0;
};

// What the directory has of an entry.
struct Listed {
  ZipEntry entry;
  uint64_t header = 0;  // where the entry's own header begins
  uint16_t flags = 0;
};

bool Agrees(uint16_t value, uint64_t wide) { return value == kSeeZip64Short || value == wide; }
bool Agrees(uint32_t value, uint64_t wide) { return value == kSeeZip64 || value == wide; }

// The 64-bit end record, when the locator in front of `end` says that there is one.
StatusOr<std::optional<Directory>> FindEnd64(std::span<const std::byte> file, size_t end) {
  if (end < kLocator64Bytes) return std::optional<Directory>();
  ByteReader locator(file.subspan(end - kLocator64Bytes, kLocator64Bytes));
  if (locator.Number<uint32_t>() != kLocator64Signature) return std::optional<Directory>();
  const auto disk = locator.Number<uint32_t>();
  const auto position = locator.Number<uint64_t>();
  const auto num_disks = locator.Number<uint32_t>();
  if (end < kLocator64Bytes + kEnd64Bytes || position != end - kLocator64Bytes - kEnd64Bytes ||
      disk != 0 || num_disks > 1) {
    return FailedPrecondition("the zip64 locator does not point to the record before it");
  }
  ByteReader record(file.subspan(position, kEnd64Bytes));
  const auto signature = record.Number<uint32_t>();
  const auto record_bytes = record.Number<uint64_t>();
  record.Bytes(4);  // versions
  const auto this_disk = record.Number<uint32_t>();
  const auto directory_disk = record.Number<uint32_t>();
  const auto entries_here = record.Number<uint64_t>();
  Directory directory;
  directory.num_entries = record.Number<uint64_t>();
  directory.bytes = record.Number<uint64_t>();
  directory.begin = record.Number<uint64_t>();
  if (signature != kEnd64Signature || record_bytes != kEnd64Bytes - 12 || this_disk != 0 ||
      directory_disk != 0 || entries_here != directory.num_entries) {
    return FailedPrecondition("the zip64 end record is broken");
  }
  return std::optional<Directory>(directory);
}

StatusOr<Directory> FindDirectory(std::span<const std::byte> file) {
  if (file.size() < kEndBytes)
    return FailedPrecondition("the file has {} bytes: too short for an archive", file.size());
  size_t end = file.size() - kEndBytes;
  ByteReader record(file.subspan(end));
  const auto signature = record.Number<uint32_t>();
  const auto disk = record.Number<uint16_t>();
  const auto directory_disk = record.Number<uint16_t>();
  const auto entries_here = record.Number<uint16_t>();
  const auto num_entries = record.Number<uint16_t>();
  const auto bytes = record.Number<uint32_t>();
  const auto begin = record.Number<uint32_t>();
  const auto comment_bytes = record.Number<uint16_t>();
  if (signature != kEndSignature || comment_bytes != 0)
    return FailedPrecondition("no zip directory ends the file: it is cut short, or no archive");
  if (disk != 0 || directory_disk != 0 || entries_here != num_entries)
    return FailedPrecondition("the archive is one of several parts");
  TRIPTYCH_ASSIGN_OR_RETURN(const std::optional<Directory> wide, FindEnd64(file, end));
  const Directory directory = wide.value_or(Directory{num_entries, bytes, begin});
  if (!Agrees(num_entries, directory.num_entries) || !Agrees(bytes, directory.bytes) ||
      !Agrees(begin, directory.begin)) {
    return FailedPrecondition("the two end records differ");
  }
  if (wide) end -= kLocator64Bytes + kEnd64Bytes;
  if (directory.begin > end || directory.bytes != end - directory.begin) {
    return FailedPrecondition(
        "the directory claims {} bytes from byte {}, and should end at byte {}",
        directory.bytes,
        directory.begin,
        end);
  }
  if (directory.num_entries > kMaxZipEntries ||
      directory.num_entries * kEntryBytes > directory.bytes) {
    return FailedPrecondition("the directory claims {} entries in {} bytes, at most {} are allowed",
                              directory.num_entries,
                              directory.bytes,
                              kMaxZipEntries);
  }
  return directory;
}

// Puts in the 64-bit numbers of the extra field that has them, in the order in which the record
// leaves them out. False when they are not there.
bool ReadZip64(std::string_view extra, const std::array<uint64_t*, 3>& numbers) {
  const bool needed =
      std::any_of(numbers.begin(), numbers.end(), [](uint64_t* n) { return *n == kSeeZip64; });
  ByteReader fields({reinterpret_cast<const std::byte*>(extra.data()), extra.size()});
  while (needed && fields.left() > 0) {
    const auto id = fields.Number<uint16_t>();
    const auto bytes = fields.Number<uint16_t>();
    ByteReader field(fields.Bytes(bytes));
    if (!fields.ok()) return false;
    if (id != kZip64Field) continue;
    for (uint64_t* number : numbers) {
      if (*number == kSeeZip64) *number = field.Number<uint64_t>();
    }
    return field.ok();
  }
  return !needed;
}

StatusOr<Listed> ReadListed(ByteReader& reader) {
  Listed listed;
  const auto signature = reader.Number<uint32_t>();
  reader.Bytes(4);  // versions
  listed.flags = reader.Number<uint16_t>();
  const auto method = reader.Number<uint16_t>();
  reader.Bytes(4);  // time
  listed.entry.crc32 = reader.Number<uint32_t>();
  uint64_t stored_bytes = reader.Number<uint32_t>();
  listed.entry.size = reader.Number<uint32_t>();
  const auto name_bytes = reader.Number<uint16_t>();
  const auto extra_bytes = reader.Number<uint16_t>();
  const auto comment_bytes = reader.Number<uint16_t>();
  const auto disk = reader.Number<uint16_t>();
  reader.Bytes(6);  // attributes
  listed.header = reader.Number<uint32_t>();
  listed.entry.name = reader.Text(name_bytes);
  const std::string_view extra = reader.Text(extra_bytes);
  reader.Bytes(comment_bytes);
  if (!reader.ok() || signature != kEntrySignature)
    return FailedPrecondition("the directory is broken before byte {} of it", reader.position());
  const std::string& name = listed.entry.name;
  if (name.empty() || name.size() > kMaxZipNameBytes)
    return FailedPrecondition("an entry's name has {} bytes", name.size());
  if (!ReadZip64(extra, {&listed.entry.size, &stored_bytes, &listed.header}))
    return FailedPrecondition("'{}': its 64-bit sizes are missing", name);
  if (method != kStored)
    return FailedPrecondition(
        "'{}' is compressed (method {}): only stored entries are read", name, method);
  if ((listed.flags & ~(kSizesFollow | kUtf8Names)) != 0 || disk != 0)
    return FailedPrecondition("'{}' has flags {:#x}, which are not read", name, listed.flags);
  if (stored_bytes != listed.entry.size)
    return FailedPrecondition(
        "'{}': {} bytes are stored of {}", name, stored_bytes, listed.entry.size);
  return listed;
}

// Reads the entry's own header, which says where its bytes begin.
Status Locate(std::span<const std::byte> file, const Directory& directory, Listed& listed) {
  const std::string& name = listed.entry.name;
  if (listed.header >= directory.begin)
    return FailedPrecondition("'{}' begins at byte {}, not before the directory at {}",
                              name,
                              listed.header,
                              directory.begin);
  ByteReader reader(file.subspan(listed.header, directory.begin - listed.header));
  const auto signature = reader.Number<uint32_t>();
  reader.Bytes(2);  // version
  const auto flags = reader.Number<uint16_t>();
  const auto method = reader.Number<uint16_t>();
  reader.Bytes(4);  // time
  const auto crc = reader.Number<uint32_t>();
  const auto stored_bytes = reader.Number<uint32_t>();
  const auto bytes = reader.Number<uint32_t>();
  const auto name_bytes = reader.Number<uint16_t>();
  const auto extra_bytes = reader.Number<uint16_t>();
  const std::string_view local_name = reader.Text(name_bytes);
  reader.Bytes(extra_bytes);
  listed.entry.begin = listed.header + reader.position();
  const bool same_sizes = (flags & kSizesFollow) != 0 ||
                          (crc == listed.entry.crc32 && Agrees(stored_bytes, listed.entry.size) &&
                           Agrees(bytes, listed.entry.size));
  if (!reader.ok() || signature != kLocalSignature || local_name != name || method != kStored ||
      flags != listed.flags || !same_sizes)
    return FailedPrecondition(
        "'{}': the header at byte {} is not what the directory says", name, listed.header);
  if (listed.entry.size > reader.left())
    return FailedPrecondition("'{}': {} bytes are claimed, {} are there before the directory",
                              name,
                              listed.entry.size,
                              reader.left());
  return OkStatus();
}

Status CheckApart(const std::vector<Listed>& sorted) {
  for (size_t i = 1; i < sorted.size(); ++i) {
    const ZipEntry& before = sorted[i - 1].entry;
    if (sorted[i].header < before.begin + before.size)
      return FailedPrecondition("'{}' and '{}' overlap", before.name, sorted[i].entry.name);
  }
  return OkStatus();
}

}  // namespace

StatusOr<ZipArchive> ZipArchive::Parse(std::span<const std::byte> file) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Directory directory, FindDirectory(file));
  ByteReader reader(file.subspan(directory.begin, directory.bytes));
  std::vector<Listed> listed;
  for (uint64_t i = 0; i < directory.num_entries; ++i) {
    TRIPTYCH_ASSIGN_OR_RETURN(Listed one, ReadListed(reader));
    TRIPTYCH_RETURN_IF_ERROR(Locate(file, directory, one));
    listed.push_back(std::move(one));
  }
  if (reader.left() > 0)
    return FailedPrecondition("{} bytes follow the directory's last entry", reader.left());
  std::sort(listed.begin(), listed.end(), [](const Listed& a, const Listed& b) {
    return a.header < b.header;
  });
  TRIPTYCH_RETURN_IF_ERROR(CheckApart(listed));
  ZipArchive archive;
  archive.file_ = file;
  for (Listed& one : listed) {
    if (!archive.index_.emplace(one.entry.name, archive.entries_.size()).second)
      return FailedPrecondition("'{}' is in the archive twice", one.entry.name);
    archive.entries_.push_back(std::move(one.entry));
  }
  return archive;
}

const ZipEntry* ZipArchive::Find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

StatusOr<std::span<const std::byte>> ZipArchive::CheckedBytesOf(const ZipEntry& entry) const {
  const std::span<const std::byte> bytes = BytesOf(entry);
  if (Crc32(bytes) != entry.crc32)
    return FailedPrecondition("'{}': its bytes do not have the checksum they should", entry.name);
  return bytes;
}

uint32_t Crc32(std::span<const std::byte> bytes) {
  static constexpr std::array<uint32_t, 256> kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < table.size(); ++i) {
      table[i] = i;
      for (int bit = 0; bit < 8; ++bit)
        table[i] = (table[i] >> 1) ^ (table[i] & 1 ? 0xEDB88320u : 0);
    }
    return table;
  }();
  uint32_t crc = ~0u;
  for (const std::byte byte : bytes)
    crc = (crc >> 8) ^ kTable[(crc ^ std::to_integer<uint32_t>(byte)) & 0xff];
  return ~crc;
}

}  // namespace triptych::weights
