#include "worker/weights/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace triptych::weights {
namespace {

Status SystemError(const std::string& path, const char* what) {
  return FailedPrecondition(
      "{}: cannot {}: {}", path, what, std::generic_category().message(errno));
}

// A descriptor for as long as it takes to map what it names.
class Descriptor {
 public:
  explicit Descriptor(const std::string& path) : value_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  int value() const { return value_; }

 private:
  int value_;
};

}  // namespace

StatusOr<std::shared_ptr<const MappedFile>> MappedFile::Open(const std::string& path) {
  const Descriptor file(path);
  if (file.value() < 0) return SystemError(path, "open");
  struct stat info;
  if (fstat(file.value(), &info) != 0) return SystemError(path, "stat");
  if (!S_ISREG(info.st_mode)) return FailedPrecondition("{}: not a regular file", path);
  if (info.st_size == 0) return FailedPrecondition("{}: the file is empty", path);
  const size_t size = static_cast<size_t>(info.st_size);
  void* start = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value(), 0);
  if (start == MAP_FAILED) return SystemError(path, "map");
  return std::shared_ptr<const MappedFile>(
      new MappedFile({static_cast<const std::byte*>(start), size}));
}

MappedFile::~MappedFile() { munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size()); }

}  // namespace triptych::weights
