#include "router/compose/local_library.h"

#include <charconv>

#include <boost/asio/post.hpp>

#include "common/async/handoff.h"
#include "common/log/log.h"

namespace triptych::router {

StatusOr<std::unique_ptr<LocalLibrary>> LocalLibrary::Open(const std::string& folder) {
  TRIPTYCH_ASSIGN_OR_RETURN(std::unique_ptr<PictureIndex> index,
                            PictureIndex::Open(folder, PictureIndex::Access::kRead));
  return std::unique_ptr<LocalLibrary>(new LocalLibrary(std::move(index)));
}

Task<StatusOr<std::vector<LibraryPicture>>> LocalLibrary::Search(PictureQuery query) {
  using Found = StatusOr<std::vector<LibraryPicture>>;
  auto found = std::make_shared<Handoff<Found>>();
  asio::post(thread_, [this, found, query = std::move(query)] { found->Set(SearchNow(query)); });
  Task<Found> wait = found->Await();
  Found pictures = co_await std::move(wait);
  co_return pictures;
}

StatusOr<std::vector<LibraryPicture>> LocalLibrary::SearchNow(const PictureQuery& query) {
  std::set<int64_t> exclude;
  for (const std::string& id : query.exclude) {
    int64_t number = 0;
    if (std::from_chars(id.data(), id.data() + id.size(), number).ec == std::errc())
      exclude.insert(number);
  }
  TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<IndexedPicture> found,
                            index_->Search(query.caption, exclude, query.count));
  std::vector<LibraryPicture> pictures;
  for (const IndexedPicture& picture : found) {
    StatusOr<std::string> file = index_->ReadFile(picture);
    if (!file.ok()) {  // removed meanwhile
      spdlog::warn("picture library: {}", Message(file.status()));
      continue;
    }
    pictures.push_back({.id = std::to_string(picture.id),
                        .description = picture.caption,
                        .licence = picture.licence,
                        .source = picture.source,
                        .score = static_cast<float>(picture.score),
                        .file = std::make_shared<const std::string>(*std::move(file))});
  }
  return pictures;
}

}  // namespace triptych::router
