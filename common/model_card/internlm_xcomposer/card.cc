#include "common/model_card/internlm_xcomposer/card.h"

#include <utility>

#include "common/model_card/chat_card.h"
#include "common/model_card/internlm_xcomposer/chat_prompt.h"
#include "common/model_card/internlm_xcomposer/config.h"

namespace triptych::internlm_xcomposer {
namespace {

constexpr int32_t kDefaultNewTokens = 500;  // of the published chat()

class Card final : public ChatCard {
 public:
  using ChatCard::ChatCard;

  bool accepts_conversations() const override { return true; }
  StatusOr<TokenizedPrompt> RenderConversation(std::span<const ChatMessage> messages,
                                               std::span<const PromptImage> images) const override {
    TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<PromptPiece> pieces, RenderChat(messages));
    return Tokenize(pieces, images, /*bos_in_front=*/false);
  }
};

}  // namespace

StatusOr<std::unique_ptr<ModelCard>> LoadCard(const std::string& model_dir) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Config config, LoadConfig(model_dir));
  TRIPTYCH_ASSIGN_OR_RETURN(ChatCardParts parts,
                            ReadCardParts("internlm-xcomposer", model_dir, config.text));
  for (const std::string_view spelling : {kEndOfHuman, kEndOfBot}) {
    const TokenId id = parts.tokenizer->SpecialId(spelling);
    if (id < 0) {
      return FailedPrecondition(
          "{}: the tokenizer lacks the special token {}", model_dir, spelling);
    }
    parts.stop_token_ids.push_back(id);
  }
  const TokenId unknown = parts.tokenizer->SpecialId("<unk>");
  parts.image_placeholder = unknown >= 0 ? unknown : parts.tokenizer->eos();
  parts.rows_per_image = config.image_rows();
  parts.max_new_tokens = kDefaultNewTokens;
  parts.penalty_sees_prompt = false;
  return std::make_unique<Card>(std::move(parts));
}

}  // namespace triptych::internlm_xcomposer
