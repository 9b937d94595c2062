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

// Reads one mapping of a YAML file into a struct: each Field call names a key that is allowed and where its value goes; a key that is
// absent leaves the default. Finish() gives the first problem as "file:line: ..." — a wrong type, a value out of range, or an
// unknown key with the nearest known one. Nothing of yaml-cpp shows here, and none of its exceptions leaves.
//
//   YamlReader reader = ...; reader.Field("port", &config.port, {.min = 0, .max = 65535}); return reader.Finish();
class YamlReader {
 public:
  template <typename T>
  struct Range { T min; T max; };

  static StatusOr<YamlReader> FromFile(const std::string& path);
  static StatusOr<YamlReader> FromText(std::string_view text, std::string_view name);
  YamlReader(YamlReader&&) noexcept;
  ~YamlReader();

  void Field(std::string_view key, std::string* value);
  void Field(std::string_view key, bool* value);
  void Field(std::string_view key, int32_t* value, Range<int64_t> range);
  void Field(std::string_view key, int64_t* value, Range<int64_t> range);
  void Field(std::string_view key, double* value, Range<double> range);
  void Field(std::string_view key, std::chrono::milliseconds* value);   // "500ms", "2s", "5m"
  void Field(std::string_view key, Endpoint* value);
  void Field(std::string_view key, std::vector<std::string>* value);
  // A nested mapping, and a list of mappings; `read` declares the fields of one.
  void Section(std::string_view key, const std::function<void(YamlReader&)>& read);
  void List(std::string_view key, const std::function<void(YamlReader&)>& read);
  // A rule over several fields, reported at this mapping's line.
  void Require(bool condition, std::string_view what);

  Status Finish();

 private:
  struct Impl;
  explicit YamlReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace triptych
