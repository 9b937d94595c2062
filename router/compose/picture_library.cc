#include "router/compose/picture_library.h"

#include "common/log/log.h"
#include "common/status_reason.h"

namespace triptych::router {

StatusOr<PictureLibrary*> LibraryCatalog::Find(const std::string& name) const {
  if (name.empty()) return libraries_.empty() ? nullptr : libraries_.front().second.get();
  std::string known;
  for (const auto& [own, library] : libraries_) {
    if (own == name) return library.get();
    known += (known.empty() ? "" : ", ") + own;
  }
  return WithReason(
      NotFound("library: no '{}' here; there are: {}", LogId(name), known.empty() ? "none" : known),
      "LIBRARY_UNKNOWN",
      "library");
}

}  // namespace triptych::router
