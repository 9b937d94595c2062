#include "common/picture_index/picture_index.h"

#include <filesystem>
#include <fstream>
#include <utility>

#include "common/hash/sha256.h"
#include "common/json/json_config.h"
#include "common/picture_index/caption_words.h"
#include "common/picture_index/statement.h"
#include "common/text_file.h"

namespace triptych {
namespace {

constexpr int kVersion = 1;  // of the tables
constexpr int kBusyMilliseconds = 5000;
constexpr char kFile[] = "/pictures.sqlite";
constexpr char kTables[] =
    "CREATE TABLE pictures(id INTEGER PRIMARY KEY AUTOINCREMENT, sha256 TEXT UNIQUE NOT NULL, "
    "extension TEXT NOT NULL, caption TEXT NOT NULL,"
    " licence TEXT NOT NULL, source TEXT NOT NULL);"
    "CREATE VIRTUAL TABLE words USING fts5(caption, tokenize = 'porter unicode61 remove_diacritics "
    "2');"
    "PRAGMA user_version = 1;";
// Libraries made before there were vectors get these when they are next written to. New words need
// new vectors.
constexpr char kVectorTables[] =
    "CREATE TABLE IF NOT EXISTS vectors(picture INTEGER NOT NULL, space TEXT NOT NULL, vector BLOB "
    "NOT NULL, PRIMARY KEY(picture, space));"
    "CREATE TRIGGER IF NOT EXISTS words_changed AFTER UPDATE OF caption ON pictures WHEN "
    "old.caption <> new.caption BEGIN DELETE FROM vectors WHERE picture = old.id; END;"
    "CREATE TRIGGER IF NOT EXISTS picture_removed AFTER DELETE ON pictures BEGIN DELETE FROM "
    "vectors WHERE picture = old.id; END;";

}  // namespace

StatusOr<std::unique_ptr<PictureIndex>> PictureIndex::Open(const std::string& folder,
                                                           Access access) {
  std::error_code error;
  if (access == Access::kWrite) std::filesystem::create_directories(folder + "/files", error);
  if (error) return FailedPrecondition("{}: cannot be made: {}", folder, error.message());
  if (access == Access::kRead && !std::filesystem::exists(folder + kFile)) {
    return FailedPrecondition("{}: no picture library is there: `triptych library add` makes one",
                              folder);
  }
  sqlite3* database = nullptr;
  const int flags =
      access == Access::kWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  const int opened =
      sqlite3_open_v2((folder + kFile).c_str(), &database, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<PictureIndex> index(new PictureIndex(folder, database));
  if (opened != SQLITE_OK) return index->Problem("cannot be opened");
  TRIPTYCH_RETURN_IF_ERROR(index->Prepare(access));
  return index;
}

PictureIndex::~PictureIndex() { sqlite3_close(database_); }

Status PictureIndex::Problem(std::string_view what) const {
  return FailedPrecondition("{}{}: {}: {}",
                            folder_,
                            kFile,
                            what,
                            database_ ? sqlite3_errmsg(database_) : "out of memory");
}

Status PictureIndex::Execute(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return OkStatus();
  return Problem("a statement failed");
}

Status PictureIndex::Prepare(Access access) {
  sqlite3_busy_timeout(database_, kBusyMilliseconds);
  if (access == Access::kWrite) TRIPTYCH_RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE"));
  int64_t version = 0;
  {
    Statement statement(database_, "PRAGMA user_version");
    if (statement.Step() != SQLITE_ROW) return Problem("cannot be read");
    version = statement.Number(0);
  }
  if (access == Access::kWrite) {
    if (version == 0) TRIPTYCH_RETURN_IF_ERROR(Execute(kTables));
    if (version == 0 || version == kVersion)
      TRIPTYCH_RETURN_IF_ERROR(Execute(kVectorTables));
    TRIPTYCH_RETURN_IF_ERROR(Execute("COMMIT"));
    if (version == 0) return OkStatus();
  }
  if (version == kVersion) return OkStatus();
  return FailedPrecondition(
      "{}{}: it is of version {}; this program knows {}", folder_, kFile, version, kVersion);
}

std::string PictureIndex::PathOf(const IndexedPicture& picture) const {
  return fmt::format("{}/files/{}.{}", folder_, picture.sha256, picture.extension);
}

StatusOr<std::string> PictureIndex::ReadFile(const IndexedPicture& picture) const {
  return ReadTextFile(PathOf(picture));
}

// The file is there before any row names it.
StatusOr<std::string> PictureIndex::Add(std::string_view file, IndexedPicture picture) {
  picture.sha256 = ToHex(Sha256({reinterpret_cast<const uint8_t*>(file.data()), file.size()}));
  const std::string path = PathOf(picture);
  std::ofstream(path + ".new", std::ios::binary)
      .write(file.data(), static_cast<std::streamsize>(file.size()));
  std::error_code error;
  if (std::filesystem::file_size(path + ".new", error) != file.size())
    return FailedPrecondition("{}: cannot be written", path);
  std::filesystem::rename(path + ".new", path, error);
  if (error) return FailedPrecondition("{}: cannot be written: {}", path, error.message());
  TRIPTYCH_RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE"));
  Statement insert(database_,
                   "INSERT INTO pictures(sha256, extension, caption, licence, source) VALUES (?, "
                   "?, ?, ?, ?) ON CONFLICT(sha256) DO UPDATE SET"
                   " extension = excluded.extension, caption = excluded.caption, licence = "
                   "excluded.licence, source = excluded.source");
  insert.Bind(picture.sha256)
      .Bind(picture.extension)
      .Bind(picture.caption)
      .Bind(picture.licence)
      .Bind(picture.source);
  Statement forget(database_,
                   "DELETE FROM words WHERE rowid = (SELECT id FROM pictures WHERE sha256 = ?)");
  Statement index(
      database_,
      "INSERT INTO words(rowid, caption) VALUES ((SELECT id FROM pictures WHERE sha256 = ?), ?)");
  const bool done =
      insert.Step() == SQLITE_DONE && forget.Bind(picture.sha256).Step() == SQLITE_DONE &&
      index.Bind(picture.sha256).Bind(CaptionWords(picture.caption)).Step() == SQLITE_DONE;
  if (!done) {
    const Status problem = Problem("cannot be written");
    (void)Execute("ROLLBACK");
    return problem;
  }
  TRIPTYCH_RETURN_IF_ERROR(Execute("COMMIT"));
  loaded_.reset();
  return picture.sha256;
}

// Of rows with id, sha256, extension, caption, licence, source, score.
StatusOr<std::vector<IndexedPicture>> PictureIndex::Select(Statement& statement) {
  std::vector<IndexedPicture> pictures;
  int step = statement.Step();
  for (; step == SQLITE_ROW; step = statement.Step()) {
    pictures.push_back({.id = statement.Number(0),
                        .sha256 = statement.Text(1),
                        .extension = statement.Text(2),
                        .caption = statement.Text(3),
                        .licence = statement.Text(4),
                        .source = statement.Text(5),
                        .score = statement.Real(6)});
  }
  if (step != SQLITE_DONE) return Problem("cannot be read");
  return pictures;
}

StatusOr<std::vector<IndexedPicture>> PictureIndex::Search(std::string_view text,
                                                           const std::set<int64_t>& exclude,
                                                           int32_t count) {
  const std::string query = CaptionQuery(text);
  if (query.empty()) return std::vector<IndexedPicture>();
  Statement statement(database_,
                      "SELECT id, sha256, extension, pictures.caption, licence, source, "
                      "-bm25(words) FROM words JOIN pictures ON id = words.rowid"
                      " WHERE words MATCH ? ORDER BY bm25(words), id LIMIT ?");
  statement.Bind(query).Bind(static_cast<int64_t>(count) + static_cast<int64_t>(exclude.size()));
  TRIPTYCH_ASSIGN_OR_RETURN(std::vector<IndexedPicture> pictures, Select(statement));
  std::erase_if(pictures,
                [&](const IndexedPicture& picture) { return exclude.contains(picture.id); });
  if (std::cmp_greater(pictures.size(), count)) pictures.resize(count);
  return pictures;
}

StatusOr<std::vector<IndexedPicture>> PictureIndex::List() {
  Statement statement(database_, std::string(kSelectPictures) + "ORDER BY id");
  return Select(statement);
}

Status PictureIndex::Remove(std::string_view sha256) {
  constexpr size_t kLeastDigits = 8;
  if (sha256.size() < kLeastDigits ||
      sha256.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return InvalidArgument("'{}' is not the beginning of a digest: {} hexadecimal digits at least",
                           sha256,
                           kLeastDigits);
  }
  Statement find(database_, std::string(kSelectPictures) + "WHERE substr(sha256, 1, ?) = ?");
  find.Bind(static_cast<int64_t>(sha256.size())).Bind(sha256);
  TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<IndexedPicture> found, Select(find));
  if (found.empty()) return NotFound("no picture's digest begins with {}", sha256);
  if (found.size() > 1)
    return InvalidArgument("{} pictures' digests begin with {}", found.size(), sha256);
  TRIPTYCH_RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE"));
  Statement words(database_, "DELETE FROM words WHERE rowid = ?");
  Statement picture(database_, "DELETE FROM pictures WHERE id = ?");
  if (words.Bind(found[0].id).Step() != SQLITE_DONE ||
      picture.Bind(found[0].id).Step() != SQLITE_DONE) {
    const Status problem = Problem("cannot be written");
    (void)Execute("ROLLBACK");
    return problem;
  }
  TRIPTYCH_RETURN_IF_ERROR(Execute("COMMIT"));
  loaded_.reset();
  std::error_code ignored;
  std::filesystem::remove(PathOf(found[0]), ignored);
  return OkStatus();
}

}  // namespace triptych
