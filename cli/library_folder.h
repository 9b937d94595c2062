#pragma once

#include <string>

#include "common/status.h"

namespace triptych::cli {

// Where this user's picture libraries are, each in a folder of its name:
// $XDG_DATA_HOME/triptych/libraries, or that under ~/.local/share.
std::string LibraryRoot();

// The folder of a new or old library. kInvalidArgument: a name that is none (letters, digits and
// any of . _ -, the first no dot).
StatusOr<std::string> LibraryFolder(const std::string& root, const std::string& name);

// The absolute folder of a library that is there, by its name under LibraryRoot() or by its folder.
// kInvalidArgument names where was looked.
StatusOr<std::string> FindLibrary(const std::string& name_or_folder);

}  // namespace triptych::cli
