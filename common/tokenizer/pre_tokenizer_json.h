#pragma once

#include <string>

#include "common/json/json_config.h"
#include "common/status.h"
#include "common/tokenizer/pre_tokenizer.h"

namespace triptych {

// The "pre_tokenizer" of a tokenizer.json: ByteLevel, or a Sequence of Split and Digits that ends in ByteLevel. kFailedPrecondition names file and
// key of all else.
StatusOr<PreTokenizer> ReadPreTokenizer(const nlohmann::json& object, const std::string& file);

}  // namespace triptych
