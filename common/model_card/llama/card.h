#pragma once

#include <memory>
#include <string>

#include "common/model_card/model_card.h"

namespace triptych::llama {

// The card of LLaMA-like text models. The chat template is told by the Jinja text that the checkpoint carries, without one by the tokenizer's special tokens.
StatusOr<std::unique_ptr<ModelCard>> LoadCard(const std::string& model_dir);

}  // namespace triptych::llama
