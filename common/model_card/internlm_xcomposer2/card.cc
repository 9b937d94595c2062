#include "common/model_card/internlm_xcomposer2/card.h"

#include "common/hash/sha256.h"
#include "common/json/json_config.h"
#include "common/model_card/internlm_xcomposer2/adapters.h"
#include "common/model_card/internlm_xcomposer2/chat_prompt.h"
#include "common/model_card/internlm_xcomposer2/config.h"
#include "common/text_file.h"

namespace triptych::internlm_xcomposer2 {
namespace {

constexpr int32_t kDefaultNewTokens = 1024;  // of the published chat()

TokenId FindPlaceholder(const Tokenizer& tokenizer, const Config& config) {
  for (const std::string_view spelling : {"<unk>", "<|endoftext|>"}) {
    if (const TokenId id = tokenizer.SpecialId(spelling); id >= 0) return id;
  }
  return config.eos_token_id;
}

// Over the files that a prompt's ids hang on.
StatusOr<Sha256Digest> DigestOf(const std::string& model_dir, const Config& config) {
  TRIPTYCH_ASSIGN_OR_RETURN(std::vector<std::string> files, TokenizerFiles(model_dir));
  files.insert(files.begin(), "config.json");
  FieldHasher digest("triptych model card 1");
  for (const std::string& file : files) {
    TRIPTYCH_ASSIGN_OR_RETURN(const std::string bytes, ReadTextFile(model_dir + "/" + file));
    digest.Text(bytes);
  }
  if (config.tiles()) digest.Number(static_cast<uint64_t>(config.img_size));  // which these files may not tell
  return digest.Finish();
}

std::string FamilyOf(Variant variant) {
  switch (variant) {
    case Variant::kPlain: return "internlm-xcomposer2";
    case Variant::k4khd: return "internlm-xcomposer2-4khd";
    case Variant::k2d5: return "internlm-xcomposer2d5";
  }
  return "";
}

class Card final : public ModelCard {
 public:
  Card(Config config, std::unique_ptr<Tokenizer> tokenizer, const ChatTemplate& chat_template, const Sha256Digest& digest)
      : family_(FamilyOf(config.variant)),
        config_(config),
        tokenizer_(std::move(tokenizer)),
        template_(chat_template),
        digest_(digest),
        image_placeholder_(FindPlaceholder(*tokenizer_, config_)) {
    if (tokenizer_->bos() >= 0) bos_ = {tokenizer_->bos()};
    const TokenId turn_end = tokenizer_->SpecialId(template_.turn_end);
    defaults_.max_new_tokens = std::min(kDefaultNewTokens, config_.context_tokens);
    defaults_.stop_token_ids = {config_.eos_token_id};
    if (turn_end != config_.eos_token_id) defaults_.stop_token_ids.push_back(turn_end);
  }

  const std::string& family() const override { return family_; }
  int32_t context_tokens() const override { return config_.context_tokens; }
  int32_t vocab_size() const override { return config_.vocab_size; }
  int32_t hidden_size() const override { return config_.hidden_size; }
  bool accepts_images() const override { return true; }
  TokenId image_placeholder() const override { return image_placeholder_; }
  const GenerationDefaults& defaults() const override { return defaults_; }
  const Tokenizer& tokenizer() const override { return *tokenizer_; }
  const Sha256Digest& digest() const override { return digest_; }
  std::span<const std::string> adapters() const override {
    if (!config_.task_loras) return {};
    return kAdapters;
  }

  int32_t max_tiles() const override { return config_.tiles() ? kMaxTiles : 1; }
  int32_t DefaultMaxTiles(int32_t num_images) const override { return config_.DefaultMaxTiles(num_images); }
  StatusOr<int32_t> ImageRows(const PromptImage& image) const override {
    TRIPTYCH_RETURN_IF_ERROR(CheckTiles(image));
    if (!config_.tiles()) return config_.image_rows();
    TRIPTYCH_ASSIGN_OR_RETURN(const Tiling tiling, TilingOf(image));
    return static_cast<int32_t>(TiledRows(tiling, config_.merged_per_side()));
  }
  // The global view is one too.
  StatusOr<int32_t> ImageTiles(const PromptImage& image) const override {
    TRIPTYCH_RETURN_IF_ERROR(CheckTiles(image));
    if (!config_.tiles()) return 1;
    TRIPTYCH_ASSIGN_OR_RETURN(const Tiling tiling, TilingOf(image));
    return 1 + tiling.tiles();
  }
  StatusOr<TokenizedPrompt> RenderConversation(std::span<const ChatMessage> messages,
                                               std::span<const PromptImage> images) const override {
    TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<PromptPiece> pieces, RenderChat(template_, messages));
    return Tokenize(pieces, images, template_.bos_before_every_text);
  }
  StatusOr<TokenizedPrompt> RenderRaw(std::span<const PromptPart> parts, std::span<const PromptImage> images) const override {
    return Tokenize(RenderRawParts(parts), images, /*bos_before_every_text=*/false);
  }

 private:
  StatusOr<Tiling> TilingOf(const PromptImage& image) const {
    return TilePicture(config_.tiling(), image.size, image.max_tiles == 0 ? DefaultMaxTiles(1) : image.max_tiles);
  }
  Status CheckTiles(const PromptImage& image) const {
    if (image.max_tiles >= 0 && image.max_tiles <= max_tiles()) return OkStatus();
    if (config_.tiles()) {
      return InvalidArgument("max_tiles is {}; allowed are 0, which takes the model's default, to {}", image.max_tiles, max_tiles());
    }
    return InvalidArgument("max_tiles is {}; this model does not cut pictures into tiles: allowed are 0 and 1", image.max_tiles);
  }

  // The published chat() of XComposer2, -VL and 4KHD tokenises each text between pictures by itself, with a BOS before every one that is not
  // empty; that of 2.5, and prompts for evaluation, have one BOS in front of all. The former's chats without pictures have the text "<s>" before
  // them and the tokenizer's own BOS.
  StatusOr<TokenizedPrompt> Tokenize(std::span<const PromptPiece> pieces,
                                     std::span<const PromptImage> images,
                                     bool bos_before_every_text) const {
    PromptBuilder builder(this, images);
    if (!bos_before_every_text || images.empty()) builder.AddIds(bos_);
    for (const PromptPiece& piece : pieces) {
      if (piece.image >= 0) {
        TRIPTYCH_RETURN_IF_ERROR(builder.AddImage(piece.image));
        continue;
      }
      if (bos_before_every_text) builder.AddIds(bos_);
      builder.AddIds(tokenizer_->Encode(piece.runs));
    }
    return std::move(builder).Finish();
  }

  const std::string family_;
  const Config config_;
  const std::unique_ptr<Tokenizer> tokenizer_;
  const ChatTemplate& template_;
  const Sha256Digest digest_;
  const TokenId image_placeholder_;
  std::vector<TokenId> bos_;  // empty: the tokenizer adds none
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
  const auto chat_template = ChatTemplateOf(config.variant, *tokenizer);
  if (!chat_template.ok()) return WithContext(model_dir, chat_template.status());
  TRIPTYCH_ASSIGN_OR_RETURN(const Sha256Digest digest, DigestOf(model_dir, config));
  return std::make_unique<Card>(config, std::move(tokenizer), **chat_template, digest);
}

}  // namespace triptych::internlm_xcomposer2
