#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace triptych {

// A picture, in the order that PictureIndex::Select reads; what follows says which.
inline constexpr char kSelectPictures[] =
    "SELECT id, sha256, extension, caption, licence, source, 0 FROM pictures ";

// A prepared statement with its values. Rows come by Step until it gives SQLITE_DONE.
class Statement {
 public:
  Statement(sqlite3* database, const std::string& sql) {
    prepared_ = sqlite3_prepare_v2(database, sql.c_str(), -1, &statement_, nullptr);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;

  Statement& Bind(std::string_view text) {
    if (prepared_ == SQLITE_OK)
      sqlite3_bind_text(
          statement_, ++bound_, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    return *this;
  }
  Statement& Bind(int64_t number) {
    if (prepared_ == SQLITE_OK) sqlite3_bind_int64(statement_, ++bound_, number);
    return *this;
  }
  Statement& BindBlob(std::string_view bytes) {
    if (prepared_ == SQLITE_OK)
      sqlite3_bind_blob(
          statement_, ++bound_, bytes.data(), static_cast<int>(bytes.size()), SQLITE_TRANSIENT);
    return *this;
  }
  int Step() { return prepared_ == SQLITE_OK ? sqlite3_step(statement_) : prepared_; }
  std::string Text(int column) const {
    const auto* const text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return text ? std::string(text, sqlite3_column_bytes(statement_, column)) : std::string();
  }
  std::string_view Blob(int column) const {  // until the next Step
    const auto* const bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
    return bytes ? std::string_view(bytes, size) : std::string_view();
  }
  int64_t Number(int column) const { return sqlite3_column_int64(statement_, column); }
  double Real(int column) const { return sqlite3_column_double(statement_, column); }

 private:
  sqlite3_stmt* statement_ = nullptr;
  int prepared_ = SQLITE_ERROR;
  int bound_ = 0;
};

}  // namespace triptych
