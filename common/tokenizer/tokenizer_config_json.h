#pragma once

#include <string>
#include <string_view>

#include "common/status.h"
#include "common/tokenizer/tokenizer_json.h"

namespace triptych {

// What a tokenizer_config.json (of transformers) says about ids: eos_token, and add_bos_token with bos_token, which stand above the
// post-processor. All other keys say nothing about them, or what transformers does with pairs, lists and conversations. kFailedPrecondition
// names file and key: add_eos_token, tokens that are none.
Status ApplyTokenizerConfig(std::string_view text, const std::string& file, TokenizerJson& tokenizer);

}  // namespace triptych
