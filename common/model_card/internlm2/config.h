#pragma once

#include <string>
#include <string_view>

#include "common/model_card/decoder_config.h"
#include "common/status.h"

namespace triptych::internlm2 {

// config.json of InternLM2 (model_type "internlm2"): LLaMA's keys, except that "bias", of wqkv and wo, stands for attention_bias. Absent keys have the
// defaults of the published configuration class.
// kFailedPrecondition names file, key, what was found and what is allowed.
StatusOr<DecoderConfig> ParseConfig(std::string_view json, std::string_view file_name);
StatusOr<DecoderConfig> LoadConfig(const std::string& model_dir);  // model_dir/config.json

}  // namespace triptych::internlm2
