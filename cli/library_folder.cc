#include "cli/library_folder.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace triptych::cli {

std::string LibraryRoot() {
  const char* const data = std::getenv("XDG_DATA_HOME");
  const char* const home = std::getenv("HOME");
  const std::string folder = data != nullptr && *data != '\0'
                                 ? data
                                 : std::string(home != nullptr ? home : ".") + "/.local/share";
  return folder + "/triptych/libraries";
}

StatusOr<std::string> LibraryFolder(const std::string& root, const std::string& name) {
  const auto allowed = [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '_' || c == '-';
  };
  if (name.empty() || name.front() == '.' || !std::ranges::all_of(name, allowed)) {
    return InvalidArgument(
        "'{}': a library's name has letters, digits and any of . _ -, the first no dot", name);
  }
  return root + "/" + name;
}

StatusOr<std::string> FindLibrary(const std::string& name_or_folder) {
  const std::string named = LibraryRoot() + "/" + name_or_folder;
  for (const std::string& folder : {name_or_folder, named}) {
    if (std::filesystem::exists(folder + "/pictures.sqlite"))
      return std::filesystem::absolute(folder).lexically_normal().string();
  }
  return InvalidArgument(
      "--library: no picture library '{}', and none at {}: `triptych library add` makes one",
      name_or_folder,
      named);
}

}  // namespace triptych::cli
