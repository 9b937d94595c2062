#include "tests/fakes/temporary_folder.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/check.h"

namespace triptych::fakes {

TemporaryFolder::TemporaryFolder() {
  path_ = std::filesystem::temp_directory_path() / "triptych-test-XXXXXX";
  TRIPTYCH_CHECK(mkdtemp(path_.data()) != nullptr);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::File(std::string_view name) const {
  return std::filesystem::path(path_) / name;
}

std::string TemporaryFolder::Write(std::string_view name, std::string_view content) const {
  std::ofstream stream(File(name), std::ios::binary);
  stream.write(content.data(), static_cast<std::streamsize>(content.size()));
  TRIPTYCH_CHECK(stream.flush());
  return File(name);
}

}  // namespace triptych::fakes
