#pragma once

#include <memory>
#include <string>

#include "common/model_card/model_card.h"

namespace triptych::internlm2 {

// The card of InternLM2 as a text model: conversations as the chat() of InternLM2-Chat renders them.
StatusOr<std::unique_ptr<ModelCard>> LoadCard(const std::string& model_dir);

}  // namespace triptych::internlm2
