#include "common/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

#include "common/tokenizer/post_processor_json.h"
#include "common/tokenizer/pre_tokenizer_json.h"

namespace triptych {
namespace {

using nlohmann::json;

constexpr size_t kMaxAddedTokens = 1 << 16;
constexpr size_t kMaxContentBytes = 1024;

void RequireNull(JsonConfig& top, std::string_view key) {
  if (!top.Has(key)) return;
  const std::string type = TypeOf(top.object().find(std::string(key)).value());
  top.Require(false, key, fmt::format("{} is not supported; supported is null", type.empty() ? "it" : "'" + type + "'"));
}

StatusOr<AddedToken> ReadAddedToken(const json& object, const std::string& file, const std::string& key) {
  if (!object.is_object()) return FailedPrecondition("{}: {}: it is not an object", file, key);
  JsonConfig config(object, file, key + ".");
  config.Only({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
  AddedToken token;
  config.Integer("id", &token.id, 0, kMaxTokens - 1);
  config.Require(token.id >= 0, "id", "it is missing");
  config.Text("content", &token.content);
  config.Require(!token.content.empty() && token.content.size() <= kMaxContentBytes,
                 "content",
                 fmt::format("it does not have 1 to {} bytes", kMaxContentBytes));
  for (const std::string_view unsupported : {"single_word", "lstrip", "rstrip"}) {
    bool on = false;
    config.Flag(unsupported, &on);
    config.Require(!on, unsupported, "it is not supported");
  }
  config.Flag("normalized", &token.normalized);
  config.Flag("special", &token.special);
  TRIPTYCH_RETURN_IF_ERROR(config.status());
  return token;
}

// An added token that is in the vocabulary has its id there; one that is not has an id of its own.
Status CheckIds(const TokenizerJson& result, const std::string& file) {
  StringMap<TokenId> contents;
  std::unordered_set<TokenId> taken;
  for (const auto& [spelling, id] : result.model.ids) taken.insert(id);
  for (const AddedToken& token : result.added_tokens) {
    if (!contents.emplace(token.content, token.id).second) return FailedPrecondition("{}: added_tokens: '{}' is there twice", file, token.content);
    const auto known = result.model.ids.find(token.content);
    const bool own = known == result.model.ids.end() ? taken.insert(token.id).second : known->second == token.id;
    if (!own) return FailedPrecondition("{}: added_tokens: the id {} of '{}' is another's or not the vocabulary's", file, token.id, token.content);
  }
  return OkStatus();
}

Status ReadAddedTokens(const json& list, const std::string& file, TokenizerJson& result) {
  if (list.size() > kMaxAddedTokens) {
    return FailedPrecondition("{}: added_tokens: it has {} elements, at most {}", file, list.size(), kMaxAddedTokens);
  }
  for (size_t i = 0; i < list.size(); ++i) {
    TRIPTYCH_ASSIGN_OR_RETURN(AddedToken token, ReadAddedToken(list[i], file, fmt::format("added_tokens[{}]", i)));
    result.added_tokens.push_back(std::move(token));
  }
  return CheckIds(result, file);
}

void CheckDecoder(JsonConfig& top) {
  const json* decoder = top.Object("decoder");
  const std::string type = decoder == nullptr ? "" : TypeOf(*decoder);
  top.Require(type == "ByteLevel", "decoder", fmt::format("'{}' is not supported; supported is ByteLevel", type));
}

}  // namespace

TokenId TokenizerJson::IdOf(std::string_view spelling) const {
  const auto added = std::ranges::find(added_tokens, spelling, &AddedToken::content);
  if (added != added_tokens.end()) return added->id;
  const auto found = model.ids.find(spelling);
  return found == model.ids.end() ? -1 : found->second;
}

StatusOr<TokenizerJson> ReadTokenizerJson(std::string_view text, const std::string& file) {
  TRIPTYCH_ASSIGN_OR_RETURN(const json object, ParseJsonObject(text, file));
  JsonConfig top(object, file);
  top.Only({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model"});
  for (const std::string_view key : {"truncation", "padding", "normalizer"}) RequireNull(top, key);
  CheckDecoder(top);
  const json* model = top.Object("model");
  top.Require(model != nullptr, "model", "it is missing");
  const json* pre_tokenizer = top.Object("pre_tokenizer");
  top.Require(pre_tokenizer != nullptr, "pre_tokenizer", "it is missing; ByteLevel must be part of it");
  const json* added_tokens = top.Array("added_tokens");
  const json* post_processor = top.Object("post_processor");
  TRIPTYCH_RETURN_IF_ERROR(top.status());
  TRIPTYCH_ASSIGN_OR_RETURN(ByteBpeModel bpe, ReadByteBpeModel(*model, file));
  TRIPTYCH_ASSIGN_OR_RETURN(PreTokenizer splitting, ReadPreTokenizer(*pre_tokenizer, file));
  TokenizerJson result{.model = std::move(bpe), .pre_tokenizer = std::move(splitting)};
  if (added_tokens != nullptr) TRIPTYCH_RETURN_IF_ERROR(ReadAddedTokens(*added_tokens, file, result));
  if (post_processor != nullptr) {
    TRIPTYCH_ASSIGN_OR_RETURN(result.bos, ReadPostProcessor(*post_processor, file));
  }
  return result;
}

}  // namespace triptych
