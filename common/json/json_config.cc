#include "common/json/json_config.h"

#include <algorithm>

namespace triptych {

const nlohmann::json* JsonConfig::Find(std::string_view key) const {
  const auto found = object_.find(std::string(key));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool JsonConfig::Has(std::string_view key) const { return Find(key) != nullptr; }

void JsonConfig::Fail(std::string_view key, const std::string& what) {
  if (problem_.ok()) problem_ = FailedPrecondition("{}: {}{}: {}", file_, prefix_, key, what);
}

void JsonConfig::Integer(std::string_view key, int32_t* value, int64_t min, int64_t max) {
  const nlohmann::json* found = Find(key);
  if (found == nullptr) return;
  if (!found->is_number_integer() || found->get<double>() < double(min) || found->get<double>() > double(max)) {
    return Fail(key, fmt::format("{} is not a whole number from {} to {}", found->dump(), min, max));
  }
  *value = static_cast<int32_t>(found->get<int64_t>());
}

void JsonConfig::Number(std::string_view key, double* value, double min, double max) {
  const nlohmann::json* found = Find(key);
  if (found == nullptr) return;
  if (!found->is_number() || !(found->get<double>() >= min && found->get<double>() <= max)) {
    return Fail(key, fmt::format("{} is not a number from {} to {}", found->dump(), min, max));
  }
  *value = found->get<double>();
}

void JsonConfig::Flag(std::string_view key, bool* value) {
  const nlohmann::json* found = Find(key);
  if (found == nullptr) return;
  if (!found->is_boolean()) return Fail(key, fmt::format("{} is not true or false", found->dump()));
  *value = found->get<bool>();
}

void JsonConfig::Text(std::string_view key, std::string* value) {
  const nlohmann::json* found = Find(key);
  if (found == nullptr) return;
  if (!found->is_string()) return Fail(key, "it is not a text");
  *value = found->get<std::string>();
}

const nlohmann::json* JsonConfig::Object(std::string_view key) {
  const nlohmann::json* found = Find(key);
  if (found == nullptr || found->is_object()) return found;
  Fail(key, "it is not an object");
  return nullptr;
}

const nlohmann::json* JsonConfig::Array(std::string_view key) {
  const nlohmann::json* found = Find(key);
  if (found == nullptr || found->is_array()) return found;
  Fail(key, "it is not a list");
  return nullptr;
}

void JsonConfig::Only(std::initializer_list<std::string_view> keys) {
  for (const auto& [key, value] : object_.items()) {
    if (std::ranges::find(keys, key) == keys.end()) Fail(key, "it is not supported");
  }
}

void JsonConfig::Require(bool condition, std::string_view key, std::string_view what) {
  if (!condition) Fail(key, std::string(what));
}

StatusOr<nlohmann::json> ParseJsonObject(std::string_view text, std::string_view file_name) {
  nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return FailedPrecondition("{}: it is not a JSON object", file_name);
  return json;
}

std::string TypeOf(const nlohmann::json& value) {
  if (!value.is_object()) return "";
  const auto type = value.find("type");
  return type == value.end() || !type->is_string() ? "" : type->get<std::string>();
}

}  // namespace triptych
