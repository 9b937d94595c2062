#include "common/tokenizer/post_processor_json.h"

#include "common/tokenizer/byte_bpe_model_json.h"

namespace triptych {
namespace {

using nlohmann::json;

// The text at object[outer][inner], or nothing.
std::string TextAt(const json& object, const char* outer, const char* inner) {
  if (!object.is_object() || !object.contains(outer)) return "";
  const json& found = object[outer];
  return found.is_object() && found.contains(inner) && found[inner].is_string() ? found[inner].get<std::string>() : "";
}

// special_tokens maps a name to the ids that it stands for.
StatusOr<TokenId> IdOf(const std::string& name, const json* special_tokens, const std::string& key) {
  const json* found = special_tokens != nullptr && special_tokens->contains(name) ? &(*special_tokens)[name] : nullptr;
  const json* ids = found != nullptr && found->is_object() && found->contains("ids") ? &(*found)["ids"] : nullptr;
  const bool shaped = ids != nullptr && ids->is_array() && ids->size() == 1 && (*ids)[0].is_number_integer();
  const int64_t id = shaped ? (*ids)[0].get<int64_t>() : -1;
  if (id < 0 || id >= kMaxTokens) return FailedPrecondition("{}.special_tokens: it does not give one id to '{}'", key, name);
  return static_cast<TokenId>(id);
}

// "single": the text A, with one special token in front of it or none.
StatusOr<TokenId> ReadTemplate(const json& object, const std::string& file, const std::string& prefix) {
  JsonConfig config(object, file, prefix + ".");
  config.Only({"type", "single", "pair", "special_tokens"});  // pairs of texts are never made
  const json* single = config.Array("single");
  const json* special_tokens = config.Object("special_tokens");
  const size_t size = single == nullptr ? 0 : single->size();
  const std::string in_front = size == 2 ? TextAt((*single)[0], "SpecialToken", "id") : "";
  const bool has_text = size > 0 && TextAt(single->back(), "Sequence", "id") == "A";
  config.Require(has_text && (size == 1 || !in_front.empty()), "single", "supported are the text A and one special token in front of it");
  TRIPTYCH_RETURN_IF_ERROR(config.status());
  if (size == 1) return -1;
  return IdOf(in_front, special_tokens, file + ": " + prefix);
}

StatusOr<TokenId> ReadOne(const json& value, const std::string& file, const std::string& key) {
  const std::string type = TypeOf(value);
  if (type == "TemplateProcessing") return ReadTemplate(value, file, key);
  if (type != "ByteLevel") {
    return FailedPrecondition("{}: {}: '{}' is not supported; supported are ByteLevel and TemplateProcessing", file, key, type);
  }
  JsonConfig config(value, file, key + ".");
  config.Only({"type", "add_prefix_space", "trim_offsets", "use_regex"});  // none of which concerns ids
  TRIPTYCH_RETURN_IF_ERROR(config.status());
  return -1;
}

}  // namespace

StatusOr<TokenId> ReadPostProcessor(const json& object, const std::string& file) {
  const std::string key = "post_processor";
  if (TypeOf(object) != "Sequence") return ReadOne(object, file, key);
  JsonConfig config(object, file, key + ".");
  config.Only({"type", "processors"});
  const json* list = config.Array("processors");
  config.Require(list != nullptr, "processors", "it is missing");
  TRIPTYCH_RETURN_IF_ERROR(config.status());
  TokenId bos = -1;
  for (size_t i = 0; i < list->size(); ++i) {
    TRIPTYCH_ASSIGN_OR_RETURN(const TokenId id, ReadOne((*list)[i], file, fmt::format("{}.processors[{}]", key, i)));
    if (id >= 0 && bos >= 0) return FailedPrecondition("{}: {}: more than one puts a token in front", file, key);
    if (id >= 0) bos = id;
  }
  return bos;
}

}  // namespace triptych
