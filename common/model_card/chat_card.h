#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/model_card/chat_template.h"
#include "common/model_card/decoder_config.h"
#include "common/model_card/model_card.h"

namespace triptych {

// What a ChatCard is put together from.
struct ChatCardParts {
  std::string family;
  int32_t context_tokens = 0;
  int32_t vocab_size = 0;
  int32_t hidden_size = 0;
  std::unique_ptr<Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat_template;  // nothing: conversations are refused
  std::vector<TokenId> stop_token_ids;  // beside the template's end of an answer and the tokenizer's EOS
  int32_t max_new_tokens = 1024;   // where a request does not say, if the context has so many
  bool penalty_sees_prompt = true;
  int32_t rows_per_image = 0;      // 0: it takes no pictures
  TokenId image_placeholder = -1;  // where it takes pictures
  Sha256Digest digest;
};

// The card of families whose prompts are texts, pictures of equally many rows, and a chat template that is known. A prompt begins with the tokenizer's BOS, if
// it has one; each text between pictures and control tokens is tokenised by itself. A family whose conversations are no ChatTemplate overrides
// RenderConversation.
class ChatCard : public ModelCard {
 public:
  explicit ChatCard(ChatCardParts parts);

  const std::string& family() const override { return parts_.family; }
  int32_t context_tokens() const override { return parts_.context_tokens; }
  int32_t vocab_size() const override { return parts_.vocab_size; }
  int32_t hidden_size() const override { return parts_.hidden_size; }
  bool accepts_images() const override { return parts_.rows_per_image > 0; }
  bool accepts_conversations() const override { return parts_.chat_template.has_value(); }
  TokenId image_placeholder() const override { return parts_.image_placeholder; }
  const GenerationDefaults& defaults() const override { return defaults_; }
  const Tokenizer& tokenizer() const override { return *parts_.tokenizer; }
  const Sha256Digest& digest() const override { return parts_.digest; }

  StatusOr<int32_t> ImageRows(const PromptImage& image) const override;
  StatusOr<int32_t> ImageTiles(const PromptImage& image) const override;
  StatusOr<TokenizedPrompt> RenderConversation(std::span<const ChatMessage> messages,
                                               std::span<const PromptImage> images) const override;
  StatusOr<TokenizedPrompt> RenderRaw(std::span<const PromptPart> parts, std::span<const PromptImage> images) const override;

 protected:
  StatusOr<TokenizedPrompt> Tokenize(std::span<const PromptPiece> pieces, std::span<const PromptImage> images, bool bos_in_front) const;

 private:
  ChatCardParts parts_;
  GenerationDefaults defaults_;
};

// The parts that every family reads alike: sizes, tokenizer, what ends generation (eos_token_id of generation_config.json, else of config.json) and
// the digest, over the files that prompts and preprocessing hang on. kFailedPrecondition names file and key.
StatusOr<ChatCardParts> ReadCardParts(std::string family, const std::string& model_dir, const DecoderConfig& config);

}  // namespace triptych
