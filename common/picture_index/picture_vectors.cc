// What of the picture index is about vectors.
#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "common/check.h"
#include "common/picture_index/picture_index.h"
#include "common/picture_index/statement.h"

namespace triptych {
namespace {

// Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009), with its published constant.
// The weights are those that find most in the demo's library (bench/retrieval.py).
constexpr double kRankOffset = 60;
constexpr double kWordWeight = 1;
constexpr double kVectorWeight = 0.1;
constexpr int32_t kMergedRanks = 100;  // of either list, and what is wanted besides

std::string ToBlob(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::vector<float> FromBlob(std::string_view blob) {
  std::vector<float> values(blob.size() / sizeof(float));
  std::memcpy(values.data(), blob.data(), values.size() * sizeof(float));
  return values;
}

using Scores = std::vector<std::pair<int64_t, double>>;

void AddRanks(const std::vector<IndexedPicture>& found,
              double weight,
              std::map<int64_t, double>& scores) {
  for (size_t rank = 0; rank < found.size(); ++rank)
    scores[found[rank].id] += weight / (kRankOffset + 1 + static_cast<double>(rank));
}

}  // namespace

StatusOr<bool> PictureIndex::HasVectors() {
  Statement table(database_, "SELECT 1 FROM sqlite_master WHERE name = 'vectors'");
  const int there = table.Step();
  if (there == SQLITE_DONE) return false;
  if (there != SQLITE_ROW) return Problem("cannot be read");
  Statement any(database_, "SELECT 1 FROM vectors LIMIT 1");
  const int step = any.Step();
  if (step != SQLITE_ROW && step != SQLITE_DONE) return Problem("cannot be read");
  return step == SQLITE_ROW;
}

StatusOr<std::vector<IndexedPicture>> PictureIndex::ListWithout(const TextVector& vector) {
  Statement statement(database_,
                      std::string(kSelectPictures) +
                          "WHERE NOT EXISTS (SELECT 1 FROM vectors WHERE picture = id AND space = ? "
                          "AND length(vector) = ?) ORDER BY id");
  statement.Bind(vector.space).Bind(static_cast<int64_t>(vector.values.size() * sizeof(float)));
  return Select(statement);
}

Status PictureIndex::PutVectors(const std::vector<IndexedPicture>& pictures,
                                const std::vector<TextVector>& vectors) {
  TRIPTYCH_CHECK(pictures.size() == vectors.size());
  TRIPTYCH_RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE"));
  loaded_.reset();
  for (size_t i = 0; i < pictures.size(); ++i) {
    Statement put(database_,
                  "INSERT OR REPLACE INTO vectors(picture, space, vector) SELECT id, ?, ? FROM "
                  "pictures WHERE id = ? AND caption = ?");
    put.Bind(vectors[i].space)
        .BindBlob(ToBlob(vectors[i].values))
        .Bind(pictures[i].id)
        .Bind(pictures[i].caption);
    if (put.Step() == SQLITE_DONE) continue;
    const Status problem = Problem("cannot be written");
    (void)Execute("ROLLBACK");
    return problem;
  }
  return Execute("COMMIT");
}

Status PictureIndex::LoadVectors(const TextVector& like) {
  Statement data(database_, "PRAGMA data_version");
  if (data.Step() != SQLITE_ROW) return Problem("cannot be read");
  const int64_t version = data.Number(0);
  if (loaded_ && loaded_->space == like.space && loaded_->version == version) return OkStatus();
  loaded_.reset();
  TRIPTYCH_ASSIGN_OR_RETURN(const bool any, HasVectors());
  std::vector<VectorIndex::Row> rows;
  if (any) {
    const size_t bytes = like.values.size() * sizeof(float);
    Statement statement(database_,
                        "SELECT picture, vector FROM vectors WHERE space = ? ORDER BY picture");
    statement.Bind(like.space);
    int step = statement.Step();
    for (; step == SQLITE_ROW; step = statement.Step()) {
      const std::string_view blob = statement.Blob(1);
      if (blob.size() != bytes) {
        return FailedPrecondition(
            "{}: the vector of picture {} is damaged: it has {} bytes, not {}; `triptych library "
            "embed --again` makes it anew",
            folder_, statement.Number(0), blob.size(), bytes);
      }
      rows.push_back({statement.Number(0), FromBlob(blob)});
    }
    if (step != SQLITE_DONE) return Problem("cannot be read");
  }
  auto index = VectorIndex::Make(rows);
  if (!index.ok()) {
    return FailedPrecondition("{}: {}; `triptych library embed --again` makes it anew",
                              folder_, Message(index.status()));
  }
  loaded_ = {like.space, version, *std::move(index)};
  return OkStatus();
}

StatusOr<std::vector<IndexedPicture>> PictureIndex::Get(const Scores& ids_and_scores,
                                                        const std::set<int64_t>& exclude,
                                                        int32_t count) {
  std::vector<IndexedPicture> pictures;
  for (const auto& [id, score] : ids_and_scores) {
    if (std::cmp_greater_equal(pictures.size(), count)) break;
    if (exclude.contains(id)) continue;
    Statement statement(database_, std::string(kSelectPictures) + "WHERE id = ?");
    TRIPTYCH_ASSIGN_OR_RETURN(std::vector<IndexedPicture> found, Select(statement.Bind(id)));
    if (found.empty()) continue;  // removed meanwhile
    found[0].score = score;
    pictures.push_back(std::move(found[0]));
  }
  return pictures;
}

StatusOr<std::vector<IndexedPicture>> PictureIndex::Search(const TextVector& vector,
                                                           const std::set<int64_t>& exclude,
                                                           int32_t count) {
  TRIPTYCH_RETURN_IF_ERROR(LoadVectors(vector));
  TRIPTYCH_ASSIGN_OR_RETURN(
      const std::vector<VectorIndex::Hit> hits,
      loaded_->index->Search(vector.values, count + static_cast<int64_t>(exclude.size())));
  Scores scores;
  for (const VectorIndex::Hit& hit : hits) scores.emplace_back(hit.id, hit.cosine);
  return Get(scores, exclude, count);
}

StatusOr<std::vector<IndexedPicture>> PictureIndex::Search(std::string_view text,
                                                           const TextVector& vector,
                                                           const std::set<int64_t>& exclude,
                                                           int32_t count) {
  const int32_t depth = count + kMergedRanks;
  TRIPTYCH_ASSIGN_OR_RETURN(const auto by_words, Search(text, exclude, depth));
  TRIPTYCH_ASSIGN_OR_RETURN(const auto by_vectors, Search(vector, exclude, depth));
  std::map<int64_t, double> scores;
  AddRanks(by_words, kWordWeight, scores);
  AddRanks(by_vectors, kVectorWeight, scores);
  Scores best(scores.begin(), scores.end());
  std::ranges::stable_sort(best, std::greater(), &Scores::value_type::second);
  return Get(best, {}, count);
}

}  // namespace triptych
