#include "common/model_card/llama/card.h"

#include <utility>

#include "common/model_card/chat_card.h"
#include "common/model_card/llama/config.h"

namespace triptych::llama {

StatusOr<std::unique_ptr<ModelCard>> LoadCard(const std::string& model_dir) {
  TRIPTYCH_ASSIGN_OR_RETURN(const DecoderConfig config, LoadConfig(model_dir));
  TRIPTYCH_ASSIGN_OR_RETURN(ChatCardParts parts, ReadCardParts("llama", model_dir, config));
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string jinja, ReadJinjaTemplate(model_dir));
  parts.chat_template = FindChatTemplate(jinja, *parts.tokenizer);
  return std::make_unique<ChatCard>(std::move(parts));
}

}  // namespace triptych::llama
