#include "common/tokenizer/pre_tokenizer_json.h"

#include <array>
#include <utility>
#include <vector>

namespace triptych {
namespace {

using nlohmann::json;
using Behavior = PreTokenizer::Behavior;

constexpr size_t kMaxRules = 64;

constexpr std::array<std::pair<std::string_view, Behavior>, 5> kBehaviors = {{{"Removed", Behavior::kRemoved},
                                                                              {"Isolated", Behavior::kIsolated},
                                                                              {"MergedWithPrevious", Behavior::kMergedWithPrevious},
                                                                              {"MergedWithNext", Behavior::kMergedWithNext},
                                                                              {"Contiguous", Behavior::kContiguous}}};

// One element, with the key that names it in messages.
struct Element {
  const json& value;
  const std::string& file;
  std::string key;
};

Status Refuse(const Element& element, std::string_view what) { return FailedPrecondition("{}: {}: {}", element.file, element.key, what); }

StatusOr<PreTokenizer::ByteLevel> ReadByteLevel(const Element& element) {
  JsonConfig config(element.value, element.file, element.key + ".");
  config.Only({"type", "add_prefix_space", "trim_offsets", "use_regex"});  // offsets are not ids
  PreTokenizer::ByteLevel byte_level;
  config.Flag("add_prefix_space", &byte_level.add_prefix_space);
  config.Flag("use_regex", &byte_level.use_regex);
  TRIPTYCH_RETURN_IF_ERROR(config.status());
  return byte_level;
}

// {"Regex": "..."} or {"String": "..."}.
StatusOr<Pattern> ReadPattern(const Element& element) {
  const json* value = element.value.is_object() && element.value.size() == 1 ? &*element.value.begin() : nullptr;
  if (value == nullptr || !value->is_string()) return Refuse(element, R"(it is neither {"Regex": text} nor {"String": text})");
  const std::string& text = value->get_ref<const std::string&>();
  if (text.empty()) return Refuse(element, "it is empty");
  StatusOr<Pattern> pattern = FailedPrecondition("'{}' is not supported; supported are Regex and String", element.value.begin().key());
  if (element.value.contains("Regex")) pattern = Pattern::FromRegex(text);
  if (element.value.contains("String")) pattern = Pattern::FromText(text);
  if (!pattern.ok()) return WithContext(element.file + ": " + element.key, pattern.status());
  return pattern;
}

StatusOr<PreTokenizer::Rule> ReadSplit(const Element& element) {
  JsonConfig config(element.value, element.file, element.key + ".");
  config.Only({"type", "pattern", "behavior", "invert"});
  const json* pattern = config.Object("pattern");
  config.Require(pattern != nullptr, "pattern", "it is missing");
  std::string name;
  bool inverted = false;
  config.Text("behavior", &name);
  config.Flag("invert", &inverted);
  TRIPTYCH_RETURN_IF_ERROR(config.status());
  TRIPTYCH_ASSIGN_OR_RETURN(Pattern compiled, ReadPattern({*pattern, element.file, element.key + ".pattern"}));
  for (const auto& [known, behavior] : kBehaviors) {
    if (name == known) return PreTokenizer::Rule{std::move(compiled), behavior, inverted};
  }
  return Refuse(element, fmt::format("behavior: '{}' is not supported", name));
}

StatusOr<PreTokenizer::Rule> ReadDigits(const Element& element) {
  JsonConfig config(element.value, element.file, element.key + ".");
  config.Only({"type", "individual_digits"});
  bool individual = false;
  config.Flag("individual_digits", &individual);
  TRIPTYCH_RETURN_IF_ERROR(config.status());
  TRIPTYCH_ASSIGN_OR_RETURN(Pattern pattern, Pattern::FromRegex(individual ? R"(\p{N})" : R"(\p{N}+)"));
  return PreTokenizer::Rule{std::move(pattern)};
}

StatusOr<PreTokenizer> ReadSequence(const json& list, const std::string& file) {
  if (list.empty() || list.size() > kMaxRules) {
    return FailedPrecondition("{}: pre_tokenizer.pretokenizers: it has {} elements, supported are 1 to {}", file, list.size(), kMaxRules);
  }
  std::vector<PreTokenizer::Rule> rules;
  for (size_t i = 0; i < list.size(); ++i) {
    const Element element{list[i], file, fmt::format("pre_tokenizer.pretokenizers[{}]", i)};
    const std::string type = TypeOf(element.value);
    const bool is_last = i + 1 == list.size();
    if (type == "ByteLevel" && is_last) {
      TRIPTYCH_ASSIGN_OR_RETURN(const PreTokenizer::ByteLevel byte_level, ReadByteLevel(element));
      return PreTokenizer(std::move(rules), byte_level);
    }
    if (type != "Split" && type != "Digits") {
      return Refuse(element, fmt::format("'{}' is not supported; supported are Split and Digits, then ByteLevel", type));
    }
    TRIPTYCH_ASSIGN_OR_RETURN(PreTokenizer::Rule rule, type == "Split" ? ReadSplit(element) : ReadDigits(element));
    rules.push_back(std::move(rule));
  }
  return FailedPrecondition("{}: pre_tokenizer.pretokenizers: the last is not ByteLevel", file);
}

}  // namespace

StatusOr<PreTokenizer> ReadPreTokenizer(const json& object, const std::string& file) {
  const Element element{object, file, "pre_tokenizer"};
  const std::string type = TypeOf(object);
  if (type == "ByteLevel") {
    TRIPTYCH_ASSIGN_OR_RETURN(const PreTokenizer::ByteLevel byte_level, ReadByteLevel(element));
    return PreTokenizer({}, byte_level);
  }
  if (type != "Sequence") return Refuse(element, fmt::format("'{}' is not supported; supported are ByteLevel and Sequence", type));
  JsonConfig sequence(object, file, "pre_tokenizer.");
  sequence.Only({"type", "pretokenizers"});
  const json* list = sequence.Array("pretokenizers");
  sequence.Require(list != nullptr, "pretokenizers", "it is missing");
  TRIPTYCH_RETURN_IF_ERROR(sequence.status());
  return ReadSequence(*list, file);
}

}  // namespace triptych
