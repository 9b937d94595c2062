#include "tests/fakes/zip_writer.h"

#include <span>

#include "worker/weights/zip_archive.h"

namespace triptych::fakes {
namespace {

template <typename T>
void Put(std::string& bytes, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    bytes.push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * i) & 0xff));
  }
}

}  // namespace

ZipWriter& ZipWriter::Add(std::string_view name,
                          std::string_view content,
                          const ZipEntryOptions& options) {
  const uint64_t begin = body_.size() + static_cast<uint64_t>(options.header_shift);
  const uint64_t size = content.size() + static_cast<uint64_t>(options.claimed_more);
  const uint32_t crc =
      weights::Crc32(std::as_bytes(std::span(content))) ^ (options.wrong_checksum ? 1 : 0);
  const std::string_view local_name = options.local_name.empty() ? name : options.local_name;
  const bool sizes_follow = (options.flags & 0x0008) != 0;

  Put<uint32_t>(body_, 0x04034b50);
  Put<uint16_t>(body_, 20);
  Put<uint16_t>(body_, options.flags);
  Put<uint16_t>(body_, options.method);
  Put<uint32_t>(body_, 0);
  Put<uint32_t>(body_, sizes_follow ? 0 : crc);
  for (int i = 0; i < 2; ++i) Put<uint32_t>(body_, sizes_follow ? 0 : static_cast<uint32_t>(size));
  Put<uint16_t>(body_, static_cast<uint16_t>(local_name.size()));
  Put<uint16_t>(body_, 0);
  body_.append(local_name).append(content);

  const auto narrow = [&options](uint64_t value) {
    return options.zip64 ? 0xffffffffu : static_cast<uint32_t>(value);
  };
  Put<uint32_t>(directory_, 0x02014b50);
  Put<uint32_t>(directory_, 0);
  Put<uint16_t>(directory_, options.flags);
  Put<uint16_t>(directory_, options.method);
  Put<uint32_t>(directory_, 0);
  Put<uint32_t>(directory_, crc);
  for (int i = 0; i < 2; ++i) Put<uint32_t>(directory_, narrow(size));
  Put<uint16_t>(directory_, static_cast<uint16_t>(name.size()));
  Put<uint16_t>(directory_, options.zip64 ? 28 : 0);
  Put<uint16_t>(directory_, 0);
  Put<uint16_t>(directory_, 0);
  Put<uint16_t>(directory_, 0);
  Put<uint32_t>(directory_, 0);
  Put<uint32_t>(directory_, narrow(begin));
  directory_.append(name);
  if (options.zip64) {
    Put<uint16_t>(directory_, 1);
    Put<uint16_t>(directory_, 24);
    for (const uint64_t value : {size, size, begin}) Put<uint64_t>(directory_, value);
  }
  ++num_entries_;
  return *this;
}

std::string ZipWriter::Bytes(bool zip64) const {
  std::string bytes = body_ + directory_;
  if (zip64) {
    const uint64_t end = bytes.size();
    Put<uint32_t>(bytes, 0x06064b50);
    Put<uint64_t>(bytes, 44);
    Put<uint32_t>(bytes, 0);
    Put<uint64_t>(bytes, 0);
    for (int i = 0; i < 2; ++i) Put<uint64_t>(bytes, num_entries_);
    Put<uint64_t>(bytes, directory_.size());
    Put<uint64_t>(bytes, body_.size());
    Put<uint32_t>(bytes, 0x07064b50);
    Put<uint32_t>(bytes, 0);
    Put<uint64_t>(bytes, end);
    Put<uint32_t>(bytes, 1);
  }
  Put<uint32_t>(bytes, 0x06054b50);
  Put<uint32_t>(bytes, 0);
  for (int i = 0; i < 2; ++i) {
    Put<uint16_t>(bytes, zip64 ? 0xffff : static_cast<uint16_t>(num_entries_));
  }
  Put<uint32_t>(bytes, zip64 ? 0xffffffffu : static_cast<uint32_t>(directory_.size()));
  Put<uint32_t>(bytes, zip64 ? 0xffffffffu : static_cast<uint32_t>(body_.size()));
  Put<uint16_t>(bytes, 0);
  return bytes;
}

std::string TorchArchiveBytes(std::string_view pickle, const std::vector<StoredRecord>& storages) {
  ZipWriter zip;
  zip.Add("archive/data.pkl", pickle).Add("archive/byteorder", "little");
  for (const StoredRecord& record : storages) zip.Add("archive/data/" + record.key, record.bytes);
  return zip.Bytes();
}

}  // namespace triptych::fakes
