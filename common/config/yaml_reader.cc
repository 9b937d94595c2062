#include "common/config/yaml_reader.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>

namespace triptych {
namespace {

// Levenshtein's distance.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string Suggest(std::string_view key, const std::vector<std::string>& known) {
  const auto nearest =
      std::ranges::min_element(known, {}, [&](const std::string& candidate) { return EditDistance(key, candidate); });
  if (nearest != known.end() && EditDistance(key, *nearest) <= std::max<size_t>(2, key.size() / 3)) {
    return fmt::format("did you mean '{}'?", *nearest);
  }
  return fmt::format("known keys: {}", fmt::join(known, ", "));
}

}  // namespace

// One mapping; nested readers share the file's name and report to their parent.
struct YamlReader::Impl {
  std::string file;
  YAML::Node map;
  std::vector<std::string> known;
  std::optional<Status> problem;

  int LineOf(const YAML::Node& node) const { return node.Mark().line + 1; }

  void Fail(const YAML::Node& node, const std::string& what) {
    if (!problem) problem = FailedPrecondition("{}:{}: {}", file, LineOf(node), what);
  }

  // The key's value, or an undefined node; notes the key as known.
  YAML::Node Get(std::string_view key) {
    known.emplace_back(key);
    return map.IsMap() ? map[std::string(key)] : YAML::Node(YAML::NodeType::Undefined);
  }

  template <typename T>
  void Scalar(std::string_view key, T* value, std::string_view wanted, const std::function<bool(const T&)>& allowed) {
    const YAML::Node node = Get(key);
    if (!node) return;
    T parsed{};
    if (!node.IsScalar() || !YAML::convert<T>::decode(node, parsed) || !allowed(parsed)) {
      Fail(node, fmt::format("{}: '{}' is not {}", key, node.IsScalar() ? node.Scalar() : "a nested value", wanted));
      return;
    }
    *value = parsed;
  }

  void Nested(const YAML::Node& node, const std::function<void(YamlReader&)>& read) {
    auto inner = std::make_unique<Impl>();
    inner->file = file;
    inner->map.reset(node);
    YamlReader reader(std::move(inner));
    if (!node.IsMap()) {
      Fail(node, "a mapping of keys is wanted here");
      return;
    }
    read(reader);
    if (Status status = reader.Finish(); !status.ok() && !problem) problem = status;
  }
};

YamlReader::YamlReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
YamlReader::YamlReader(YamlReader&&) noexcept = default;
YamlReader::~YamlReader() = default;

namespace {

StatusOr<YAML::Node> Load(const std::string& name, const std::function<YAML::Node()>& load) {
  try {
    YAML::Node node = load();
    if (node.IsNull()) node = YAML::Node(YAML::NodeType::Map);
    if (!node.IsMap()) return FailedPrecondition("{}:1: a mapping of keys is wanted", name);
    return node;
  } catch (const YAML::BadFile&) {
    return FailedPrecondition("{}: cannot read the file", name);
  } catch (const YAML::ParserException& error) {
    return FailedPrecondition("{}:{}: {}", name, error.mark.line + 1, error.msg);
  } catch (const YAML::Exception& error) {
    return FailedPrecondition("{}: {}", name, error.msg);
  }
}

}  // namespace

StatusOr<YamlReader> YamlReader::FromFile(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  impl->file = path;
  TRIPTYCH_ASSIGN_OR_RETURN(impl->map, Load(path, [&] { return YAML::LoadFile(path); }));
  return YamlReader(std::move(impl));
}

StatusOr<YamlReader> YamlReader::FromText(std::string_view text, std::string_view name) {
  auto impl = std::make_unique<Impl>();
  impl->file = std::string(name);
  TRIPTYCH_ASSIGN_OR_RETURN(impl->map, Load(impl->file, [&] { return YAML::Load(std::string(text)); }));
  return YamlReader(std::move(impl));
}

void YamlReader::Field(std::string_view key, std::string* value) {
  impl_->Scalar<std::string>(key, value, "a text", [](const auto&) { return true; });
}

void YamlReader::Field(std::string_view key, bool* value) {
  impl_->Scalar<bool>(key, value, "true or false", [](bool) { return true; });
}

void YamlReader::Field(std::string_view key, int32_t* value, FieldRange range) {
  int64_t wide = *value;
  Field(key, &wide, range);
  *value = static_cast<int32_t>(wide);
}

void YamlReader::Field(std::string_view key, int64_t* value, FieldRange range) {
  impl_->Scalar<int64_t>(key, value, fmt::format("a whole number from {} to {}", range.min, range.max),
                         [&](int64_t n) { return n >= range.min && n <= range.max; });
}

void YamlReader::Field(std::string_view key, double* value, FieldRange range) {
  impl_->Scalar<double>(key, value, fmt::format("a number from {} to {}", range.min, range.max),
                        [&](double n) { return n >= double(range.min) && n <= double(range.max); });
}

void YamlReader::Field(std::string_view key, std::chrono::milliseconds* value) {
  std::string text;
  impl_->Scalar<std::string>(key, &text, "a time such as 500ms, 2s or 5m",
                             [](const std::string& given) { return ParseDuration(given).ok(); });
  if (!text.empty()) *value = *ParseDuration(text);
}

void YamlReader::Field(std::string_view key, Endpoint* value) {
  std::string text;
  impl_->Scalar<std::string>(key, &text, "HOST:PORT with a port from 0 to 65535",
                             [](const std::string& given) { return Endpoint::Parse(given).ok(); });
  if (!text.empty()) *value = *Endpoint::Parse(text);
}

void YamlReader::Field(std::string_view key, std::vector<std::string>* value) {
  const YAML::Node node = impl_->Get(key);
  if (!node) return;
  const bool good = node.IsSequence() && std::all_of(node.begin(), node.end(), [](const YAML::Node& n) { return n.IsScalar(); });
  if (!good) return impl_->Fail(node, fmt::format("{}: a list of texts is wanted", key));
  value->clear();
  for (const YAML::Node& entry : node) value->push_back(entry.Scalar());
}

void YamlReader::Section(std::string_view key, const std::function<void(YamlReader&)>& read) {
  if (const YAML::Node node = impl_->Get(key)) impl_->Nested(node, read);
}

void YamlReader::List(std::string_view key, const std::function<void(YamlReader&)>& read) {
  const YAML::Node node = impl_->Get(key);
  if (!node) return;
  if (!node.IsSequence()) return impl_->Fail(node, fmt::format("{}: a list is wanted", key));
  for (const YAML::Node& entry : node) impl_->Nested(entry, read);
}

void YamlReader::Require(bool condition, std::string_view what) {
  if (!condition) impl_->Fail(impl_->map, std::string(what));
}

Status YamlReader::Finish() {
  std::vector<std::string> seen;
  for (const auto& entry : impl_->map) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (std::ranges::find(impl_->known, key) == impl_->known.end()) {
      impl_->Fail(entry.first, fmt::format("unknown key '{}'; {}", key, Suggest(key, impl_->known)));
    }
    if (std::ranges::find(seen, key) != seen.end()) impl_->Fail(entry.first, fmt::format("key '{}' is given twice", key));
    seen.push_back(key);
  }
  return impl_->problem.value_or(OkStatus());
}

StatusOr<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, text.data() + text.size() - end);
  const double scale = unit == "ms" ? 1 : unit == "s" ? 1000 : unit == "m" ? 60'000 : unit == "h" ? 3'600'000 : 0;
  if (error != std::errc() || scale == 0 || !(number >= 0) || number * scale > 1e12) {
    return InvalidArgument("'{}' is not a time such as 500ms, 2s or 5m", text);
  }
  return std::chrono::milliseconds(std::llround(number * scale));
}

}  // namespace triptych
