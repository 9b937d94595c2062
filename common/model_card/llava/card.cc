#include "common/model_card/llava/card.h"

#include <utility>

#include "common/model_card/chat_card.h"
#include "common/model_card/llava/config.h"

namespace triptych::llava {

StatusOr<std::unique_ptr<ModelCard>> LoadCard(const std::string& model_dir) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Config config, LoadConfig(model_dir));
  TRIPTYCH_RETURN_IF_ERROR(LoadPreprocessing(model_dir, config.vision.image_size).status());
  TRIPTYCH_ASSIGN_OR_RETURN(ChatCardParts parts, ReadCardParts("llava", model_dir, config.text));
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string jinja, ReadJinjaTemplate(model_dir));
  parts.chat_template = jinja.empty() ? LlavaTemplate() : FindChatTemplate(jinja, *parts.tokenizer);
  if (parts.chat_template && !parts.chat_template->pictures_first) parts.chat_template.reset();
  parts.rows_per_image = config.image_rows();
  parts.image_placeholder = config.image_token_index;
  return std::make_unique<ChatCard>(std::move(parts));
}

}  // namespace triptych::llava
