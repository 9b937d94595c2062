#include "common/model_card/internlm2/card.h"

#include <utility>

#include "common/model_card/chat_card.h"
#include "common/model_card/internlm2/config.h"

namespace triptych::internlm2 {

StatusOr<std::unique_ptr<ModelCard>> LoadCard(const std::string& model_dir) {
  TRIPTYCH_ASSIGN_OR_RETURN(const DecoderConfig config, LoadConfig(model_dir));
  TRIPTYCH_ASSIGN_OR_RETURN(ChatCardParts parts, ReadCardParts("internlm2", model_dir, config));
  parts.chat_template = InternLm2Template(*parts.tokenizer);
  return std::make_unique<ChatCard>(std::move(parts));
}

}  // namespace triptych::internlm2
