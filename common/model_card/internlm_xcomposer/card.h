#pragma once

#include <memory>
#include <string>

#include "common/model_card/model_card.h"

namespace triptych::internlm_xcomposer {

// The card of InternLM-XComposer, 7B and VL-7B: prompts as in chat_prompt.h, every picture squashed
// to one square and worth num_query_token + 2 rows. Answers end with </s>, <TOKENS_UNUSED_0> or
// <TOKENS_UNUSED_1>, which the tokenizer must have. Repetition penalties see the output and a BOS,
// as with inputs_embeds.
StatusOr<std::unique_ptr<ModelCard>> LoadCard(const std::string& model_dir);

}  // namespace triptych::internlm_xcomposer
