#pragma once

#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "nlohmann/json.hpp"

namespace triptych::router {

// Reads one object of a request's JSON; keeps the first problem, which names the field by its path,
// as in messages[0].content. An absent field and null leave the default.
class JsonFields {
 public:
  JsonFields(const nlohmann::json& object, std::string path);  // of the object; empty: the body

  // Null where it is absent or null.
  const nlohmann::json* Find(std::string_view key);
  bool Text(std::string_view key, std::string* value);  // whether it is there, as the next
  bool Flag(std::string_view key, bool* value);
  bool Number(std::string_view key, float* value);
  bool Integer(std::string_view key, int64_t* value, int64_t min, int64_t max);
  // One string, or a list of them.
  void Texts(std::string_view key, std::vector<std::string>* values);
  // Fields that say nothing of the answer.
  void Ignore(std::initializer_list<std::string_view> keys);
  // A field that would change the answer and is not served: a problem unless it is absent, null,
  // false, empty, or what is served anyhow.
  void Refuse(std::string_view key, const nlohmann::json& served = nullptr);
  void Fail(std::string_view key, std::string_view what);
  void Take(Status status);
  // The first problem. Fields that nobody has asked for are one.
  Status Finish();

  std::string PathOf(std::string_view key) const;
  const Status& status() const { return problem_; }

 private:
  const nlohmann::json& object_;
  const std::string path_;
  std::set<std::string, std::less<>> known_;
  Status problem_ = OkStatus();
};

}  // namespace triptych::router
