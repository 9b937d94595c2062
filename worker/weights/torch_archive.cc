#include "worker/weights/torch_archive.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "worker/weights/mapped_file.h"
#include "worker/weights/pickled_tensors.h"
#include "worker/weights/safetensors_header.h"
#include "worker/weights/zip_archive.h"

namespace triptych::weights {
namespace {

constexpr std::string_view kPickle = "/data.pkl";

bool BeginsAsPickle(std::span<const std::byte> file) {
  return file.size() > 1 && file[0] == std::byte{0x80} && file[1] <= std::byte{5};
}

// The one folder that holds everything: it has the name that the file had when it was saved.
StatusOr<std::string> FindFolder(const ZipArchive& zip) {
  std::string folder;
  for (const ZipEntry& entry : zip.entries()) {
    const std::string_view name = entry.name;
    if (!name.ends_with(kPickle) || std::count(name.begin(), name.end(), '/') != 1) continue;
    if (!folder.empty()) return FailedPrecondition("it holds more than one data.pkl");
    folder = name.substr(0, name.size() - kPickle.size());
  }
  if (folder.empty()) return FailedPrecondition("it holds no data.pkl: no archive of torch.save");
  if (zip.Find(folder + "/constants.pkl") != nullptr)
    return FailedPrecondition("it is a TorchScript program, not a dict of tensors");
  return folder;
}

// Archives from before torch 2.1 do not say: they are of the order of almost all machines.
Status CheckByteOrder(const ZipArchive& zip, const std::string& folder) {
  const ZipEntry* entry = zip.Find(folder + "/byteorder");
  if (entry == nullptr) return OkStatus();
  TRIPTYCH_ASSIGN_OR_RETURN(const std::span<const std::byte> bytes, zip.CheckedBytesOf(*entry));
  const std::string_view order(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (order == "little") return OkStatus();
  return FailedPrecondition("byteorder is '{}', only little is read", Printable(order));
}

StatusOr<StoredTensor> Locate(const ZipArchive& zip, const std::string& folder, NamedTensor named) {
  PickledTensor& tensor = named.tensor;
  const std::string record = fmt::format("{}/data/{}", folder, Printable(tensor.storage.key));
  const ZipEntry* entry = zip.Find(record);
  if (entry == nullptr)
    return FailedPrecondition("tensor '{}': its storage '{}' is missing", named.name, record);
  const int64_t element_bytes = DtypeBytes(tensor.storage.dtype);
  int64_t bytes = 0;
  if (__builtin_mul_overflow(tensor.storage.num_elements, element_bytes, &bytes) ||
      static_cast<uint64_t>(bytes) != entry->size) {
    return FailedPrecondition("tensor '{}': its storage '{}' has {} bytes, not {} elements of {}",
                              named.name,
                              record,
                              entry->size,
                              tensor.storage.num_elements,
                              tensor.storage.dtype);
  }
  const std::byte* data = zip.BytesOf(*entry).data() + tensor.offset * element_bytes;
  return StoredTensor{.name = std::move(named.name),
                      .dtype = std::string(tensor.storage.dtype),
                      .shape = std::move(tensor.shape),
                      .strides = std::move(tensor.strides),
                      .data = data};
}

}  // namespace

StatusOr<std::vector<StoredTensor>> ParseTorchArchive(std::span<const std::byte> file) {
  if (BeginsAsPickle(file))
    return FailedPrecondition(
        "it is a bare pickle, such as torch wrote before version 1.6: load it with a newer torch "
        "and save it again");
  TRIPTYCH_ASSIGN_OR_RETURN(const ZipArchive zip, ZipArchive::Parse(file));
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string folder, FindFolder(zip));
  TRIPTYCH_RETURN_IF_ERROR(CheckByteOrder(zip, folder));
  const std::string pickle = folder + std::string(kPickle);
  TRIPTYCH_ASSIGN_OR_RETURN(const std::span<const std::byte> bytes,
                            zip.CheckedBytesOf(*zip.Find(pickle)));
  StatusOr<std::vector<NamedTensor>> named =
      ReadPickledTensors(bytes, static_cast<int64_t>(file.size()));
  if (!named.ok()) return WithContext(pickle, named.status());
  std::vector<StoredTensor> tensors;
  for (NamedTensor& one : *named) {
    TRIPTYCH_ASSIGN_OR_RETURN(StoredTensor tensor, Locate(zip, folder, std::move(one)));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

StatusOr<TensorFile> OpenTorchArchive(const std::string& path) {
  TRIPTYCH_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> mapped, MappedFile::Open(path));
  StatusOr<std::vector<StoredTensor>> tensors = ParseTorchArchive(mapped->bytes());
  if (!tensors.ok()) return WithContext(path, tensors.status());
  return TensorFile(path, std::move(mapped), *std::move(tensors));
}

}  // namespace triptych::weights
