#pragma once

#include <span>
#include <string_view>

namespace triptych::router {

// A file of router/page, as it was when the router was built.
struct EmbeddedFile {
  std::string_view name;
  std::string_view content_type;
  std::string_view etag;  // quoted
  std::string_view bytes;
};

std::span<const EmbeddedFile> PageFiles();  // made by cmake/embed_files.cmake

}  // namespace triptych::router
