#pragma once

#include <string>
#include <string_view>

#include "common/model_card/decoder_config.h"
#include "common/status.h"

namespace triptych::llama {

// config.json of a LLaMA-like text model (model_type "llama": LLaMA 1 to 3, Vicuna, SmolLM2, TinyLlama).
// kFailedPrecondition names file, key, what was found and what is allowed.
StatusOr<DecoderConfig> ParseConfig(std::string_view json, std::string_view file_name);
StatusOr<DecoderConfig> LoadConfig(const std::string& model_dir);  // model_dir/config.json

}  // namespace triptych::llama
