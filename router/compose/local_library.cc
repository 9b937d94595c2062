#include "router/compose/local_library.h"

#include <charconv>

#include <boost/asio/post.hpp>

#include "common/async/handoff.h"
#include "common/log/log.h"
#include "common/picture_index/caption_words.h"

namespace triptych::router {

StatusOr<std::unique_ptr<LocalLibrary>> LocalLibrary::Open(const std::string& folder,
                                                           EmbedText embed) {
  TRIPTYCH_ASSIGN_OR_RETURN(std::unique_ptr<PictureIndex> index,
                            PictureIndex::Open(folder, PictureIndex::Access::kRead));
  return std::unique_ptr<LocalLibrary>(new LocalLibrary(std::move(index), std::move(embed)));
}

Task<StatusOr<std::vector<LibraryPicture>>> LocalLibrary::Search(PictureQuery query) {
  Task<std::optional<TextVector>> embed = EmbedQuery(this, query);
  std::optional<TextVector> vector = co_await std::move(embed);
  auto found = std::make_shared<Handoff<Found>>();
  asio::post(thread_, [this, found, query = std::move(query), vector = std::move(vector)] {
    found->Set(SearchNow(query, vector));
  });
  Task<Found> wait = found->Await();
  Found pictures = co_await std::move(wait);
  co_return pictures;
}

// Nothing: words must do.
Task<std::optional<TextVector>> LocalLibrary::EmbedQuery(LocalLibrary* self, PictureQuery query) {
  const std::string text = VectorWords(query.caption);
  if (!self->embed_ || text.empty()) co_return std::nullopt;
  auto looked = std::make_shared<Handoff<StatusOr<bool>>>();
  asio::post(self->thread_, [self, looked] { looked->Set(self->index_->HasVectors()); });
  Task<StatusOr<bool>> wait = looked->Await();
  const StatusOr<bool> has = co_await std::move(wait);
  if (!has.ok() || !*has) co_return std::nullopt;
  Task<StatusOr<TextVector>> embed = self->embed_(query.model, text, query.deadline);
  StatusOr<TextVector> vector = co_await std::move(embed);
  if (vector.ok()) co_return *std::move(vector);
  spdlog::warn("picture library: words alone are searched: {}", Message(vector.status()));
  co_return std::nullopt;
}

StatusOr<std::vector<IndexedPicture>> LocalLibrary::SearchIndex(
    const PictureQuery& query, const std::optional<TextVector>& vector) {
  std::set<int64_t> exclude;
  for (const std::string& id : query.exclude) {
    int64_t number = 0;
    if (std::from_chars(id.data(), id.data() + id.size(), number).ec == std::errc())
      exclude.insert(number);
  }
  if (vector) {
    auto found = index_->Search(query.caption, *vector, exclude, query.count);
    if (found.ok()) return found;
    spdlog::warn("picture library: words alone are searched: {}", Message(found.status()));
  }
  return index_->Search(query.caption, exclude, query.count);
}

LocalLibrary::Found LocalLibrary::SearchNow(const PictureQuery& query,
                                            const std::optional<TextVector>& vector) {
  TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<IndexedPicture> found, SearchIndex(query, vector));
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
