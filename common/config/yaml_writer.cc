#include "common/config/yaml_writer.h"

#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace triptych {
namespace {

// JSON's strings are YAML's double-quoted ones.
std::string Quoted(const std::string& text) { return nlohmann::json(text).dump(); }

}  // namespace

void YamlWriter::Line(std::string_view key, std::string_view value) {
  text_ += fmt::format("{}{}:{}{}\n", indent_, key, value.empty() ? "" : " ", value);
}

void YamlWriter::Field(std::string_view key, const std::string* value) { Line(key, Quoted(*value)); }
void YamlWriter::Field(std::string_view key, const bool* value) { Line(key, *value ? "true" : "false"); }
void YamlWriter::Field(std::string_view key, const int32_t* value, FieldRange) { Line(key, fmt::format("{}", *value)); }
void YamlWriter::Field(std::string_view key, const int64_t* value, FieldRange) { Line(key, fmt::format("{}", *value)); }
void YamlWriter::Field(std::string_view key, const double* value, FieldRange) { Line(key, fmt::format("{}", *value)); }
void YamlWriter::Field(std::string_view key, const std::chrono::milliseconds* value) {
  Line(key, fmt::format("{}ms", value->count()));
}
void YamlWriter::Field(std::string_view key, const Endpoint* value) { Line(key, Quoted(value->ToString())); }

void YamlWriter::Field(std::string_view key, const std::vector<std::string>* value) {
  std::vector<std::string> quoted;
  for (const std::string& entry : *value) quoted.push_back(Quoted(entry));
  Line(key, fmt::format("[{}]", fmt::join(quoted, ", ")));
}

void YamlWriter::Section(std::string_view key, const std::function<void(YamlWriter&)>& write) {
  Line(key, "");
  indent_ += "  ";
  write(*this);
  indent_.resize(indent_.size() - 2);
}

void YamlWriter::List(std::string_view key, size_t entries, const std::function<void(YamlWriter&, size_t)>& write) {
  if (entries == 0) return Line(key, "[]");
  Line(key, "");
  for (size_t i = 0; i < entries; ++i) {
    text_ += indent_ + "  -\n";
    indent_ += "    ";
    write(*this, i);
    indent_.resize(indent_.size() - 4);
  }
}

}  // namespace triptych
