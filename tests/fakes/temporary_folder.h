#pragma once

#include <string>
#include <string_view>

namespace triptych::fakes {

// A folder of its own for one test, gone with it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(std::string_view name) const;  // the path of a file in it
  std::string Write(std::string_view name, std::string_view content) const;  // the file's path

 private:
  std::string path_;
};

}  // namespace triptych::fakes
