#include "router/http/json_fields.h"

#include <cmath>
#include <limits>
#include <utility>

#include "common/log/log.h"
#include "router/validation/field_error.h"

namespace triptych::router {

JsonFields::JsonFields(const nlohmann::json& object, std::string path)
    : object_(object), path_(std::move(path)) {
  if (!object.is_object())
    Take(BadField("TYPE", path_, "must be an object, got {}", object.type_name()));
}

std::string JsonFields::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

const nlohmann::json* JsonFields::Find(std::string_view key) {
  known_.emplace(key);
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(std::string(key));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool JsonFields::Text(std::string_view key, std::string* value) {
  const nlohmann::json* found = Find(key);
  if (found == nullptr) return false;
  if (!found->is_string()) {
    Fail(key, fmt::format("must be a string, got {}", found->type_name()));
    return false;
  }
  *value = found->get_ref<const std::string&>();
  return true;
}

bool JsonFields::Flag(std::string_view key, bool* value) {
  const nlohmann::json* found = Find(key);
  if (found == nullptr) return false;
  if (!found->is_boolean()) {
    Fail(key, fmt::format("must be true or false, got {}", found->type_name()));
    return false;
  }
  *value = found->get<bool>();
  return true;
}

bool JsonFields::Number(std::string_view key, float* value) {
  const nlohmann::json* found = Find(key);
  if (found == nullptr) return false;
  if (!found->is_number()) {
    Fail(key, fmt::format("must be a number, got {}", found->type_name()));
    return false;
  }
  const double number = found->get<double>();
  if (std::abs(number) > std::numeric_limits<float>::max()) {
    Fail(key, "the number is too large");
    return false;
  }
  *value = static_cast<float>(number);
  return true;
}

bool JsonFields::Integer(std::string_view key, int64_t* value, int64_t min, int64_t max) {
  const nlohmann::json* found = Find(key);
  if (found == nullptr) return false;
  const bool fits =
      found->is_number_integer() &&
      (!found->is_number_unsigned() ||
       found->get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
  if (!fits || found->get<int64_t>() < min || found->get<int64_t>() > max) {
    Fail(key,
         fmt::format("must be an integer between {} and {}, got {}",
                     min,
                     max,
                     found->is_number() ? found->dump() : found->type_name()));
    return false;
  }
  *value = found->get<int64_t>();
  return true;
}

void JsonFields::Texts(std::string_view key, std::vector<std::string>* values) {
  const nlohmann::json* found = Find(key);
  if (found == nullptr) return;
  const auto add = [&](const nlohmann::json& text) {
    if (text.is_string()) {
      values->push_back(text.get_ref<const std::string&>());
    } else {
      Fail(key, fmt::format("must be a string or a list of strings, got {}", text.type_name()));
    }
  };
  if (!found->is_array()) return add(*found);
  for (const nlohmann::json& text : *found) add(text);
}

void JsonFields::Ignore(std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) known_.emplace(key);
}

void JsonFields::Refuse(std::string_view key, const nlohmann::json& served) {
  const nlohmann::json* found = Find(key);
  if (found == nullptr || *found == served) return;
  const bool nothing = (found->is_structured() && found->empty()) || *found == false ||
                       *found == "";
  if (nothing) return;
  Take(BadField("UNSUPPORTED",
                PathOf(key),
                "this server does not support it: leave it out{}",
                served.is_null() ? "" : fmt::format(", or set it to {}", served.dump())));
}

void JsonFields::Fail(std::string_view key, std::string_view what) {
  Take(BadField("TYPE", PathOf(key), "{}", what));
}

void JsonFields::Take(Status status) {
  if (problem_.ok()) problem_ = std::move(status);
}

Status JsonFields::Finish() {
  if (!problem_.ok() || !object_.is_object()) return problem_;
  for (const auto& [key, value] : object_.items()) {
    if (known_.contains(key)) continue;
    return BadField("UNKNOWN_FIELD",
                    PathOf(LogId(key)),
                    "there is no such field; there are: {}",
                    fmt::join(known_, ", "));
  }
  return OkStatus();
}

}  // namespace triptych::router
