#pragma once

#include <string>

#include "common/ids.h"
#include "common/json/json_config.h"
#include "common/status.h"

namespace triptych {

// The "post_processor" of a tokenizer.json: the id that it puts in front of a text, or -1. ByteLevel adds nothing; TemplateProcessing may add one
// token, in front; a Sequence is made of these. kFailedPrecondition names file and key of all else.
StatusOr<TokenId> ReadPostProcessor(const nlohmann::json& object, const std::string& file);

}  // namespace triptych
