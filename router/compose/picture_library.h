#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/async/task.h"
#include "common/clock.h"
#include "common/status.h"

namespace triptych::router {

// A picture that a library offers.
struct LibraryPicture {
  std::string id;                            // the library's own, for PictureQuery::exclude
  std::string description, licence, source;  // each may be empty
  float score = 0;                           // higher is better; 0 where the library gives none
  std::shared_ptr<const std::string> file;
};

struct PictureQuery {
  std::string caption;            // of what is looked for, in any language
  std::string model;              // that writes the article, by whose vectors a library may search
  std::set<std::string> exclude;  // ids that are not wanted
  int32_t count = 0;
  TimePoint deadline = TimePoint::max();
};

// Where articles take their pictures from: given words, the pictures that show them, best first.
// The same query finds the same pictures as long as the library stays as it is. Thread-safe; the
// task may be awaited on any strand.
class PictureLibrary {
 public:
  virtual ~PictureLibrary() = default;
  virtual Task<StatusOr<std::vector<LibraryPicture>>> Search(PictureQuery query) = 0;
};

// A router's libraries by name; the first is the default. Immutable once it serves.
class LibraryCatalog {
 public:
  void Add(std::string name, std::unique_ptr<PictureLibrary> library) {
    libraries_.emplace_back(std::move(name), std::move(library));
  }
  // Empty takes the default; null where there are none at all. kNotFound (reason LIBRARY_UNKNOWN)
  // names those that there are.
  StatusOr<PictureLibrary*> Find(const std::string& name) const;

 private:
  std::vector<std::pair<std::string, std::unique_ptr<PictureLibrary>>> libraries_;
};

}  // namespace triptych::router
