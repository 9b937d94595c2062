#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/endpoint.h"
#include "common/config/yaml_reader.h"

namespace triptych {

// The other direction of YamlReader, with the same calls, so that one function can walk a configuration's fields both ways: what it writes
// reads back equal. For --print-config.
class YamlWriter {
 public:
  void Field(std::string_view key, const std::string* value);
  void Field(std::string_view key, const bool* value);
  void Field(std::string_view key, const int32_t* value, FieldRange range);
  void Field(std::string_view key, const int64_t* value, FieldRange range);
  void Field(std::string_view key, const double* value, FieldRange range);
  void Field(std::string_view key, const std::chrono::milliseconds* value);
  void Field(std::string_view key, const Endpoint* value);
  void Field(std::string_view key, const std::vector<std::string>* value);
  void Section(std::string_view key, const std::function<void(YamlWriter&)>& write);
  // Begins one entry of a list of mappings at a time.
  void List(std::string_view key, size_t entries, const std::function<void(YamlWriter&, size_t)>& write);

  const std::string& Finish() const { return text_; }

 private:
  void Line(std::string_view key, std::string_view value);
  std::string text_;
  std::string indent_;
};

}  // namespace triptych
