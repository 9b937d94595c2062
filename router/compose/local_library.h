#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/thread_pool.hpp>

#include "common/picture_index/picture_index.h"
#include "router/compose/picture_library.h"

namespace triptych::router {

// A text as a vector of a model, for a search that may wait until the deadline.
using EmbedText = std::function<Task<StatusOr<TextVector>>(
    std::string model, std::string text, TimePoint deadline)>;

// A library on this machine's disk, made by `triptych library add`; it may grow while it is used.
// Searches run on a thread of their own: by words, and by vectors too where the library has some. What
// is wrong with vectors costs no search: words find what they find.
class LocalLibrary final : public PictureLibrary {
 public:
  // kFailedPrecondition names the folder. An empty `embed`: by words alone.
  static StatusOr<std::unique_ptr<LocalLibrary>> Open(const std::string& folder, EmbedText embed);
  ~LocalLibrary() override { thread_.join(); }

  Task<StatusOr<std::vector<LibraryPicture>>> Search(PictureQuery query) override;

 private:
  using Found = StatusOr<std::vector<LibraryPicture>>;
  LocalLibrary(std::unique_ptr<PictureIndex> index, EmbedText embed)
      : index_(std::move(index)), embed_(std::move(embed)) {}
  static Task<std::optional<TextVector>> EmbedQuery(LocalLibrary* self, PictureQuery query);
  // On thread_:
  Found SearchNow(const PictureQuery& query, const std::optional<TextVector>& vector);
  StatusOr<std::vector<IndexedPicture>> SearchIndex(const PictureQuery& query,
                                                    const std::optional<TextVector>& vector);

  const std::unique_ptr<PictureIndex> index_;  // used on thread_
  const EmbedText embed_;
  asio::thread_pool thread_{1};
};

}  // namespace triptych::router
