#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "router/compose/picture_library.h"

namespace triptych::fakes {

// A picture library in memory. A picture is found when its description has one of the query's words
// of at least three letters; all are equally good. Searches may be made to fail. Thread-safe.
class ListLibrary final : public router::PictureLibrary {
 public:
  using Found = StatusOr<std::vector<router::LibraryPicture>>;

  void Add(std::string description, std::string file) {
    std::lock_guard lock(mutex_);
    pictures_.push_back({.id = std::to_string(pictures_.size()),
                         .description = std::move(description),
                         .licence = "CC0",
                         .source = "a drawer",
                         .score = 1,
                         .file = std::make_shared<const std::string>(std::move(file))});
  }
  void Fail(Status why) {
    std::lock_guard lock(mutex_);
    failure_ = std::move(why);
  }
  Task<Found> Search(router::PictureQuery query) override { co_return SearchNow(query); }

 private:
  Found SearchNow(const router::PictureQuery& query) const {
    std::lock_guard lock(mutex_);
    if (!failure_.ok()) return failure_;
    std::vector<router::LibraryPicture> found;
    for (const router::LibraryPicture& picture : pictures_) {
      const bool wanted =
          !query.exclude.contains(picture.id) && HasWordOf(query.caption, picture.description);
      if (wanted && std::cmp_less(found.size(), query.count)) found.push_back(picture);
    }
    return found;
  }
  static bool HasWordOf(const std::string& words, const std::string& description) {
    constexpr size_t kShortest = 3;
    for (size_t begin = 0; begin < words.size();) {
      const size_t end = std::min(words.find(' ', begin), words.size());
      const std::string word = words.substr(begin, end - begin);
      if (word.size() >= kShortest && description.find(word) != std::string::npos) return true;
      begin = end + 1;
    }
    return false;
  }

  mutable std::mutex mutex_;
  std::vector<router::LibraryPicture> pictures_;  // guarded by mutex_
  Status failure_ = OkStatus();                   // guarded by mutex_
};

// A library that somebody else owns.
class LibraryReference final : public router::PictureLibrary {
 public:
  explicit LibraryReference(router::PictureLibrary* library) : library_(*library) {}
  Task<StatusOr<std::vector<router::LibraryPicture>>> Search(router::PictureQuery query) override {
    return library_.Search(std::move(query));
  }

 private:
  router::PictureLibrary& library_;
};

}  // namespace triptych::fakes
