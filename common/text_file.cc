#include "common/text_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

namespace triptych {

StatusOr<std::string> ReadTextFile(const std::string& path, int64_t max_bytes) {
  std::error_code unknown;
  const uintmax_t bytes = std::filesystem::file_size(path, unknown);
  if (!unknown && std::cmp_greater(bytes, max_bytes)) {
    return FailedPrecondition("{}: the file has {} bytes, at most {} are read", path, bytes, max_bytes);
  }
  std::ostringstream text;
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (in) {
    errno = 0;
    text << in.rdbuf();  // fails where reading does, as of a folder, and where there is nothing to read
  }
  if (!in || (text.fail() && errno != 0)) return FailedPrecondition("{}: {}", path, errno != 0 ? std::strerror(errno) : "cannot be read");
  return std::move(text).str();
}

}  // namespace triptych
