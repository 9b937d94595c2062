#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "common/status.h"
#include "nlohmann/json.hpp"

namespace triptych {

// Reads one JSON object, with bounds; keeps the first problem, as "FILE: key: ...". An absent key or null leaves the default.
class JsonConfig {
 public:
  JsonConfig(const nlohmann::json& object, std::string file, std::string prefix = {})
      : object_(object), file_(std::move(file)), prefix_(std::move(prefix)) {}

  bool Has(std::string_view key) const;
  void Integer(std::string_view key, int32_t* value, int64_t min, int64_t max);
  void Number(std::string_view key, double* value, double min, double max);
  void Flag(std::string_view key, bool* value);
  void Text(std::string_view key, std::string* value);
  // Null where the key is absent, null or something else, which is a problem.
  const nlohmann::json* Object(std::string_view key);
  const nlohmann::json* Array(std::string_view key);
  void Only(std::initializer_list<std::string_view> keys);  // any other key is a problem, null or not
  void Require(bool condition, std::string_view key, std::string_view what);
  void Take(const Status& status) { if (problem_.ok()) problem_ = status; }
  const Status& status() const { return problem_; }
  const std::string& file() const { return file_; }
  const std::string& prefix() const { return prefix_; }  // of keys, in messages
  const nlohmann::json& object() const { return object_; }

 private:
  const nlohmann::json* Find(std::string_view key) const;
  void Fail(std::string_view key, const std::string& what);

  const nlohmann::json& object_;
  const std::string file_;
  const std::string prefix_;
  Status problem_ = OkStatus();
};

// The JSON object in a text; kFailedPrecondition names the file.
StatusOr<nlohmann::json> ParseJsonObject(std::string_view text, std::string_view file_name);
// The text under "type"; empty where there is none.
std::string TypeOf(const nlohmann::json& value);

}  // namespace triptych
