#include "common/model_card/internlm_xcomposer2/card.h"

#include "common/hash/sha256.h"
#include "common/json/json_config.h"
#include "common/model_card/internlm_xcomposer2/chat_prompt.h"
#include "common/model_card/internlm_xcomposer2/config.h"

namespace triptych::internlm_xcomposer2 {
namespace {

constexpr int32_t kDefaultNewTokens = 1024;  // of the published chat()

class Card final : public ModelCard {
 public:
  Card(Config config, std::unique_ptr<Tokenizer> tokenizer, const Sha256Digest& digest)
      : config_(config), tokenizer_(std::move(tokenizer)), digest_(digest) {
    defaults_.max_new_tokens = std::min(kDefaultNewTokens, config_.context_tokens);
    defaults_.stop_token_ids = {config_.eos_token_id, tokenizer_->SpecialId(kTurnEnd)};
  }

  const std::string& family() const override { return family_; }
  int32_t context_tokens() const override { return config_.context_tokens; }
  int32_t vocab_size() const override { return config_.vocab_size; }
  int32_t hidden_size() const override { return config_.hidden_size; }
  bool accepts_images() const override { return true; }
  TokenId image_placeholder() const override { return tokenizer_->SpecialId("<unk>"); }
  const GenerationDefaults& defaults() const override { return defaults_; }
  const Tokenizer& tokenizer() const override { return *tokenizer_; }
  const Sha256Digest& digest() const override { return digest_; }

  StatusOr<int32_t> ImageRows(const PromptImage& image) const override {
    TRIPTYCH_RETURN_IF_ERROR(CheckTiles(image));
    return config_.image_rows();
  }
  StatusOr<int32_t> ImageTiles(const PromptImage& image) const override {
    TRIPTYCH_RETURN_IF_ERROR(CheckTiles(image));
    return 1;
  }
  StatusOr<TokenizedPrompt> RenderConversation(std::span<const ChatMessage> messages,
                                               std::span<const PromptImage> images) const override {
    TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<PromptPiece> pieces, RenderChat(messages));
    return Tokenize(pieces, images, /*bos_on_every_text=*/true);
  }
  StatusOr<TokenizedPrompt> RenderRaw(std::span<const PromptPart> parts, std::span<const PromptImage> images) const override {
    return Tokenize(RenderRawParts(parts), images, /*bos_on_every_text=*/false);
  }

 private:
  Status CheckTiles(const PromptImage& image) const {
    if (image.max_tiles >= 0 && image.max_tiles <= 1) return OkStatus();
    return InvalidArgument("max_tiles is {}; this model does not cut pictures into tiles: allowed are 0 and 1", image.max_tiles);
  }

  // The published chat() tokenises each text between pictures by itself, with a BOS before every one that is not empty; prompts for
  // evaluation have one BOS in front of all. A chat without pictures has the text "<s>" before it and the tokenizer's own BOS.
  StatusOr<TokenizedPrompt> Tokenize(std::span<const PromptPiece> pieces,
                                     std::span<const PromptImage> images,
                                     bool bos_on_every_text) const {
    PromptBuilder builder(this, images);
    const std::vector<TokenId> bos = {tokenizer_->bos()};
    if (!bos_on_every_text) builder.AddIds(bos);
    if (bos_on_every_text && images.empty()) builder.AddIds(bos);
    for (const PromptPiece& piece : pieces) {
      if (piece.image >= 0) {
        TRIPTYCH_RETURN_IF_ERROR(builder.AddImage(piece.image));
        continue;
      }
      if (bos_on_every_text) builder.AddIds(bos);
      builder.AddIds(tokenizer_->Encode(piece.runs));
    }
    return std::move(builder).Finish();
  }

  const std::string family_ = "internlm-xcomposer2";
  const Config config_;
  const std::unique_ptr<Tokenizer> tokenizer_;
  const Sha256Digest digest_;
  GenerationDefaults defaults_;
};

}  // namespace

StatusOr<std::unique_ptr<ModelCard>> LoadCard(const std::string& model_dir) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Config config, LoadConfig(model_dir));
  TRIPTYCH_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, LoadTokenizer(model_dir));
  if (tokenizer->vocab_size() > config.vocab_size) {
    return FailedPrecondition("{}/config.json: vocab_size: {} is less than the tokenizer's {} pieces", model_dir,
                              config.vocab_size, tokenizer->vocab_size());
  }
  for (const std::string_view spelling : {kTurnStart, kTurnEnd}) {
    if (tokenizer->SpecialId(spelling) < 0) return FailedPrecondition("{}/tokenizer.model: it has no piece {}", model_dir, spelling);
  }
  FieldHasher digest("triptych model card 1");
  for (const char* file : {"/config.json", "/tokenizer.model"}) {
    TRIPTYCH_ASSIGN_OR_RETURN(const std::string bytes, ReadTextFile(model_dir + file));
    digest.Text(bytes);
  }
  return std::make_unique<Card>(config, std::move(tokenizer), digest.Finish());
}

}  // namespace triptych::internlm_xcomposer2
