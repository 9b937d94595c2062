#include "common/model_card/chat_card.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/hash/sha256.h"
#include "common/json/json_config.h"
#include "common/model_card/decoder_config.h"
#include "common/text_file.h"

namespace triptych {
namespace {

StatusOr<std::vector<TokenId>> ReadStopTokens(const std::string& model_dir, const DecoderConfig& config) {
  std::vector<TokenId> stops = config.eos_token_ids;
  const std::string path = model_dir + "/generation_config.json";
  if (!std::filesystem::exists(path)) return stops;
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json object, ParseJsonObject(text, path));
  JsonConfig json(object, path);
  ReadTokenIds(json, "eos_token_id", config.vocab_size, &stops);
  TRIPTYCH_RETURN_IF_ERROR(json.status());
  return stops;
}

StatusOr<Sha256Digest> DigestOf(const std::string& model_dir) {
  FieldHasher digest("triptych chat card 1");
  for (const char* name : {"config.json", "generation_config.json", "tokenizer.model", "tokenizer.json", "tokenizer_config.json",
                           "chat_template.jinja", "chat_template.json", "preprocessor_config.json"}) {
    const std::string path = model_dir + "/" + name;
    if (!std::filesystem::exists(path)) continue;
    TRIPTYCH_ASSIGN_OR_RETURN(const std::string bytes, ReadTextFile(path));
    digest.Text(name);
    digest.Text(bytes);
  }
  return digest.Finish();
}

}  // namespace

ChatCard::ChatCard(ChatCardParts parts) : parts_(std::move(parts)) {
  defaults_.max_new_tokens = std::min(parts_.max_new_tokens, parts_.context_tokens);
  std::vector<TokenId> stops = parts_.stop_token_ids;
  if (parts_.chat_template) stops.push_back(tokenizer().SpecialId(parts_.chat_template->turn_end));
  stops.push_back(tokenizer().eos());
  for (const TokenId id : stops) {
    if (id >= 0 && std::ranges::find(defaults_.stop_token_ids, id) == defaults_.stop_token_ids.end()) defaults_.stop_token_ids.push_back(id);
  }
  defaults_.penalty_sees_prompt = parts_.penalty_sees_prompt;
}

StatusOr<int32_t> ChatCard::ImageTiles(const PromptImage& image) const {
  if (!accepts_images()) return InvalidArgument("this model takes no pictures");
  if (image.max_tiles >= 0 && image.max_tiles <= 1) return 1;
  return InvalidArgument("max_tiles is {}; this model does not cut pictures into tiles: allowed are 0 and 1", image.max_tiles);
}

StatusOr<int32_t> ChatCard::ImageRows(const PromptImage& image) const {
  TRIPTYCH_RETURN_IF_ERROR(ImageTiles(image).status());
  return parts_.rows_per_image;
}

StatusOr<TokenizedPrompt> ChatCard::RenderConversation(std::span<const ChatMessage> messages,
                                                       std::span<const PromptImage> images) const {
  if (!parts_.chat_template) {
    return InvalidArgument("this model's checkpoint has no chat template that is known ({}): send a raw prompt instead of a conversation",
                           kKnownTemplates);
  }
  TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<PromptPiece> pieces, RenderChat(*parts_.chat_template, messages));
  return Tokenize(pieces, images, /*bos_in_front=*/!parts_.chat_template->bos_before_user);
}

StatusOr<TokenizedPrompt> ChatCard::RenderRaw(std::span<const PromptPart> parts, std::span<const PromptImage> images) const {
  return Tokenize(RenderRawParts(parts), images, /*bos_in_front=*/true);
}

StatusOr<TokenizedPrompt> ChatCard::Tokenize(std::span<const PromptPiece> pieces,
                                             std::span<const PromptImage> images,
                                             bool bos_in_front) const {
  PromptBuilder builder(this, images);
  const auto add_control = [&builder](TokenId id) {
    if (id >= 0) builder.AddIds(std::span(&id, 1));
  };
  if (bos_in_front) add_control(tokenizer().bos());
  for (const PromptPiece& piece : pieces) {
    switch (piece.kind) {
      case PromptPiece::Kind::kText: builder.AddIds(tokenizer().Encode(piece.runs)); break;
      case PromptPiece::Kind::kImage: TRIPTYCH_RETURN_IF_ERROR(builder.AddImage(piece.image)); break;
      case PromptPiece::Kind::kBos: add_control(tokenizer().bos()); break;
      case PromptPiece::Kind::kEos: add_control(tokenizer().eos()); break;
    }
  }
  return std::move(builder).Finish();
}

StatusOr<ChatCardParts> ReadCardParts(std::string family, const std::string& model_dir, const DecoderConfig& config) {
  ChatCardParts parts{.family = std::move(family),
                      .context_tokens = config.context_tokens,
                      .vocab_size = config.vocab_size,
                      .hidden_size = config.hidden_size};
  TRIPTYCH_ASSIGN_OR_RETURN(parts.tokenizer, LoadTokenizer(model_dir));
  if (parts.tokenizer->vocab_size() > config.vocab_size) {
    return FailedPrecondition("{}/config.json: vocab_size: {} is less than the tokenizer's {} pieces", model_dir, config.vocab_size,
                              parts.tokenizer->vocab_size());
  }
  TRIPTYCH_ASSIGN_OR_RETURN(parts.stop_token_ids, ReadStopTokens(model_dir, config));
  TRIPTYCH_ASSIGN_OR_RETURN(parts.digest, DigestOf(model_dir));
  return parts;
}

}  // namespace triptych
