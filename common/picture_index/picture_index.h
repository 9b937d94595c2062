#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/picture_index/text_vector.h"
#include "common/picture_index/vector_index.h"
#include "common/status.h"

struct sqlite3;

namespace triptych {

// A picture of a library, without its file.
struct IndexedPicture {
  int64_t id = 0;         // of this index, for ever
  std::string sha256;     // hex
  std::string extension;  // of its file: png, jpg, ...
  std::string caption, licence, source;
  double score = 0;  // of a search: higher is better
};

// A picture library on disk: a folder with pictures.sqlite (captions in any language, full-text, and
// as vectors of models) and the files under their digests. One process may write while others read.
// Calls block: not on a strand. One thread at a time.
class PictureIndex {
 public:
  enum class Access { kRead, kWrite };
  // kWrite makes the folder where there is none. kFailedPrecondition names the folder and what is
  // wrong with it.
  static StatusOr<std::unique_ptr<PictureIndex>> Open(const std::string& folder, Access access);
  ~PictureIndex();

  // `picture`: caption, licence, source and extension count. A file that is there already takes on
  // the new words. Gives its digest.
  StatusOr<std::string> Add(std::string_view file, IndexedPicture picture);
  // Best first, of equals the older; none of `exclude`. Words of the text need not all be in a
  // caption.
  StatusOr<std::vector<IndexedPicture>> Search(std::string_view text,
                                               const std::set<int64_t>& exclude,
                                               int32_t count);
  // By the captions' vectors in this one's space: none where there are none. kFailedPrecondition
  // names a vector that is damaged. They stay in memory until the library changes.
  StatusOr<std::vector<IndexedPicture>> Search(const TextVector& vector,
                                               const std::set<int64_t>& exclude,
                                               int32_t count);
  // By words and by vectors, merged by their ranks in both.
  StatusOr<std::vector<IndexedPicture>> Search(std::string_view text,
                                               const TextVector& vector,
                                               const std::set<int64_t>& exclude,
                                               int32_t count);
  StatusOr<std::vector<IndexedPicture>> List();

  StatusOr<bool> HasVectors();  // of any space
  // Those without a vector of this one's space and size.
  StatusOr<std::vector<IndexedPicture>> ListWithout(const TextVector& vector);
  // The vectors of the pictures' captions, all or none. A picture that is gone or has another caption
  // meanwhile is left out.
  Status PutVectors(const std::vector<IndexedPicture>& pictures,
                    const std::vector<TextVector>& vectors);
  Status Remove(std::string_view sha256);  // a digest or the beginning of one, 8 digits at least;
                                           // kNotFound, kInvalidArgument (several)
  StatusOr<std::string> ReadFile(const IndexedPicture& picture) const;

 private:
  PictureIndex(std::string folder, sqlite3* database)
      : folder_(std::move(folder)), database_(database) {}
  Status Execute(const char* sql);
  Status Prepare(Access access);
  Status Problem(std::string_view what) const;
  std::string PathOf(const IndexedPicture& picture) const;
  StatusOr<std::vector<IndexedPicture>> Select(class Statement& statement);
  Status LoadVectors(const TextVector& like);
  // What of `ids` is not excluded, as far as it is there, with its score.
  StatusOr<std::vector<IndexedPicture>> Get(
      const std::vector<std::pair<int64_t, double>>& ids_and_scores,
      const std::set<int64_t>& exclude,
      int32_t count);

  struct LoadedVectors {
    std::string space;
    int64_t version = 0;  // of the database, as other processes change it
    std::unique_ptr<VectorIndex> index;
  };

  const std::string folder_;
  sqlite3* const database_;
  std::optional<LoadedVectors> loaded_;
};

}  // namespace triptych
