#include "common/tokenizer/byte_bpe.h"

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "common/check.h"
#include "common/json/json_config.h"
#include "common/text_file.h"
#include "common/tokenizer/byte_alphabet.h"
#include "common/tokenizer/tokenizer_config_json.h"

namespace triptych {
namespace {

constexpr int64_t kMaxFileBytes = 64 << 20;

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> ByteBpeTokenizer::Load(const std::string& model_dir) {
  const std::string path = model_dir + "/tokenizer.json";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxFileBytes));
  TRIPTYCH_ASSIGN_OR_RETURN(TokenizerJson json, ReadTokenizerJson(text, path));
  const std::string config_path = model_dir + "/tokenizer_config.json";
  if (std::error_code unknown; std::filesystem::exists(config_path, unknown)) {
    TRIPTYCH_ASSIGN_OR_RETURN(const std::string config, ReadTextFile(config_path, kMaxFileBytes));
    TRIPTYCH_RETURN_IF_ERROR(ApplyTokenizerConfig(config, config_path, json));
  }
  return std::make_unique<ByteBpeTokenizer>(std::move(json));
}

ByteBpeTokenizer::ByteBpeTokenizer(TokenizerJson json)
    : encoder_(json.model.alphabet, json.model.merges),
      pre_tokenizer_(std::move(json.pre_tokenizer)),
      bos_(json.bos),
      eos_(json.eos) {
  IndexModel(json.model);
  IndexAdded(json.added_tokens);
}

void ByteBpeTokenizer::IndexModel(const ByteBpeModel& model) {
  StringMap<TokenId> whole_pieces;
  for (const auto& [spelling, id] : model.ids) {
    const std::optional<std::string> bytes = BytesOfSpelling(spelling);
    BytesAt(id) = bytes.value_or(spelling);
    if (model.ignore_merges && bytes) whole_pieces.emplace(*bytes, id);
  }
  encoder_.SetWholePieces(std::move(whole_pieces));
}

void ByteBpeTokenizer::IndexAdded(const std::vector<AddedToken>& added_tokens) {
  for (const AddedToken& token : added_tokens) {
    BytesAt(token.id) = token.special ? "" : token.content;
    added_tokens_.Add(token);
    if (token.special) special_.emplace(token.content, token.id);
  }
}

std::string& ByteBpeTokenizer::BytesAt(TokenId id) {
  if (bytes_.size() <= static_cast<size_t>(id)) bytes_.resize(id + 1);
  return bytes_[id];
}

TokenId ByteBpeTokenizer::SpecialId(std::string_view spelling) const {
  const auto found = special_.find(spelling);
  return found == special_.end() ? -1 : found->second;
}

std::string ByteBpeTokenizer::Bytes(TokenId id) const {
  return id >= 0 && static_cast<size_t>(id) < bytes_.size() ? bytes_[id] : "";
}

std::vector<TokenId> ByteBpeTokenizer::Encode(std::span<const TextRun> runs) const {
  std::string text;
  std::vector<bool> trusted;
  for (const TextRun& run : runs) {
    text += run.text;
    trusted.insert(trusted.end(), run.text.size(), run.trusted);
  }
  TRIPTYCH_CHECK(IsValidUtf8(text));  // PCRE2 relies on it
  std::vector<TokenId> ids;
  const auto encode_piece = [&](std::string_view piece) { encoder_.Encode(piece, ids); };
  for (const AddedTokens::Segment& segment : added_tokens_.Cut(text, trusted)) {
    if (segment.id >= 0) {
      ids.push_back(segment.id);
    } else {
      pre_tokenizer_.Split(std::string_view(text).substr(segment.begin, segment.end - segment.begin), encode_piece);
    }
  }
  return ids;
}

}  // namespace triptych
