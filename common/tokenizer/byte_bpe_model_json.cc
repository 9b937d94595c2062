#include "common/tokenizer/byte_bpe_model_json.h"

#include <optional>
#include <utility>

#include "common/tokenizer/byte_alphabet.h"

namespace triptych {
namespace {

using nlohmann::json;

// The first file format's merges begin with a line that says so.
constexpr std::string_view kVersionLine = "#version";

Status ReadVocabulary(const json& vocab, ByteBpeModel& model) {
  if (vocab.size() > static_cast<size_t>(kMaxTokens)) return FailedPrecondition("it has {} tokens, at most {}", vocab.size(), kMaxTokens);
  std::vector<bool> taken(kMaxTokens);
  for (const auto& [token, value] : vocab.items()) {
    const int64_t id = value.is_number_integer() ? value.get<int64_t>() : -1;
    if (id < 0 || id >= kMaxTokens) return FailedPrecondition("the id of '{}' is not a whole number below {}", token, kMaxTokens);
    if (token.empty()) return FailedPrecondition("the token with id {} is empty", id);
    if (taken[id]) return FailedPrecondition("two tokens have the id {}, one is '{}'", id, token);
    taken[id] = true;
    model.ids.emplace(token, static_cast<TokenId>(id));
  }
  return OkStatus();
}

TokenId Find(const StringMap<TokenId>& ids, std::string_view token) {
  const auto found = ids.find(token);
  return found == ids.end() ? -1 : found->second;
}

// Both forms: "a b" and ["a", "b"].
std::optional<std::pair<std::string_view, std::string_view>> Neighbours(const json& merge) {
  if (merge.is_array()) {
    if (merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string()) return std::nullopt;
    return std::pair(std::string_view(merge[0].get_ref<const std::string&>()),
                     std::string_view(merge[1].get_ref<const std::string&>()));
  }
  if (!merge.is_string()) return std::nullopt;
  const std::string_view text = merge.get_ref<const std::string&>();
  const size_t space = text.find(' ');
  if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) return std::nullopt;
  return std::pair(text.substr(0, space), text.substr(space + 1));
}

Status ReadMerges(const json& merges, ByteBpeModel& model) {
  model.merges.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    if (merges[i].is_string() && merges[i].get_ref<const std::string&>().starts_with(kVersionLine)) continue;
    const auto pair = Neighbours(merges[i]);
    if (!pair) return FailedPrecondition("number {} is neither \"a b\" nor [\"a\", \"b\"]", i);
    ByteBpeMerge merge{.left = Find(model.ids, pair->first), .right = Find(model.ids, pair->second)};
    merge.merged = Find(model.ids, std::string(pair->first).append(pair->second));
    if (merge.left < 0 || merge.right < 0 || merge.merged < 0) {
      return FailedPrecondition("number {} ('{}' and '{}'): the parts or what they make are not in the vocabulary", i, pair->first, pair->second);
    }
    model.merges.push_back(merge);
  }
  return OkStatus();
}

void ReadUnknown(JsonConfig& model, ByteBpeModel& result) {
  std::string unknown;
  model.Text("unk_token", &unknown);
  if (!unknown.empty()) {
    result.alphabet.unknown = Find(result.ids, unknown);
    model.Require(result.alphabet.unknown >= 0, "unk_token", "it is not in the vocabulary");
  }
  model.Flag("fuse_unk", &result.alphabet.fuse_unknown);
}

// Features whose only supported value is the one that switches them off.
void RefuseFeatures(JsonConfig& model) {
  std::string type = "BPE", prefix, suffix;
  double dropout = 0;
  bool byte_fallback = false;
  model.Only({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges",
              "vocab", "merges"});
  model.Text("type", &type);
  model.Require(type == "BPE", "type", fmt::format("'{}' is not supported; supported is BPE", type));
  model.Number("dropout", &dropout, 0, 0);
  model.Text("continuing_subword_prefix", &prefix);
  model.Require(prefix.empty(), "continuing_subword_prefix", "it is not supported");
  model.Text("end_of_word_suffix", &suffix);
  model.Require(suffix.empty(), "end_of_word_suffix", "it is not supported");
  model.Flag("byte_fallback", &byte_fallback);
  model.Require(!byte_fallback, "byte_fallback", "it is not supported");
}

}  // namespace

StatusOr<ByteBpeModel> ReadByteBpeModel(const json& object, const std::string& file) {
  JsonConfig model(object, file, "model.");
  RefuseFeatures(model);
  ByteBpeModel result;
  model.Flag("ignore_merges", &result.ignore_merges);
  const json* vocab = model.Object("vocab");
  const json* merges = model.Array("merges");
  model.Require(vocab != nullptr, "vocab", "it is missing");
  model.Require(merges != nullptr, "merges", "it is missing");
  TRIPTYCH_RETURN_IF_ERROR(model.status());
  model.Take(WithContext(file + ": model.vocab", ReadVocabulary(*vocab, result)));
  TRIPTYCH_RETURN_IF_ERROR(model.status());
  model.Take(WithContext(file + ": model.merges", ReadMerges(*merges, result)));
  ReadUnknown(model, result);
  TRIPTYCH_RETURN_IF_ERROR(model.status());
  for (int byte = 0; byte < 256; ++byte) result.alphabet.byte_ids[byte] = Find(result.ids, SpellByte(static_cast<uint8_t>(byte)));
  return result;
}

}  // namespace triptych
