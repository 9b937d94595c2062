#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/endpoint.h"
#include "common/status.h"

namespace triptych {

// The least and the greatest value that a number may have.
struct FieldRange {
  int64_t min;
  int64_t max;
};

// Reads one mapping of a YAML file into a struct: each Field call names a key that is allowed and where its value goes; a key that is
// absent leaves the default. Finish() gives the first problem as "file:line: ..." — a wrong type, a value out of range, a key given
// twice, or an unknown key with the nearest known one. Nothing of yaml-cpp shows here, and none of its exceptions leaves.
//
//   TRIPTYCH_ASSIGN_OR_RETURN(YamlReader yaml, YamlReader::FromFile(path));
//   yaml.Field("port", &config.port, {0, 65535});
//   return yaml.Finish();
class YamlReader {
 public:
  static StatusOr<YamlReader> FromFile(const std::string& path);
  static StatusOr<YamlReader> FromText(std::string_view text, std::string_view name);
  YamlReader(YamlReader&&) noexcept;
  ~YamlReader();

  void Field(std::string_view key, std::string* value);
  void Field(std::string_view key, bool* value);
  void Field(std::string_view key, int32_t* value, FieldRange range);
  void Field(std::string_view key, int64_t* value, FieldRange range);
  void Field(std::string_view key, double* value, FieldRange range);
  void Field(std::string_view key, std::chrono::milliseconds* value);  // "500ms", "2s", "5m"
  void Field(std::string_view key, Endpoint* value);
  void Field(std::string_view key, std::vector<std::string>* value);
  // A nested mapping, and a list of mappings; `read` declares the fields of one.
  void Section(std::string_view key, const std::function<void(YamlReader&)>& read);
  void List(std::string_view key, const std::function<void(YamlReader&)>& read);
  // A rule over several fields, reported at this mapping's line.
  void Require(bool condition, std::string_view what);

  Status Finish();  // once

 private:
  struct Impl;
  explicit YamlReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

StatusOr<std::chrono::milliseconds> ParseDuration(std::string_view text);

}  // namespace triptych
