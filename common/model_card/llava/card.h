#pragma once

#include <memory>
#include <string>

#include "common/model_card/model_card.h"

namespace triptych::llava {

// The card of LLaVA 1.5: each picture gives one row for each patch of the tower. Conversations follow the published template, "USER: <image>\n{question} ASSISTANT:",
// pictures before the texts of their message; another template in the checkpoint is not known.
StatusOr<std::unique_ptr<ModelCard>> LoadCard(const std::string& model_dir);

}  // namespace triptych::llava
