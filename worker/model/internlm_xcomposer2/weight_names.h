#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/string_map.h"
#include "worker/model/internlm2/weight_names.h"

namespace triptych::model::internlm_xcomposer2 {

// The language model's tensors are named as InternLM2's; its linear layers have .Plora_A.weight and
// .Plora_B.weight beside.
using internlm2::kFinalNorm;
using internlm2::kOutput;
using internlm2::kTokenEmbeddings;
using internlm2::LayerNames;

// All tensors that a decoder of `num_layers` layers reads; `bias`: wqkv and wo have one.
StringSet DecoderTensors(int64_t num_layers, bool bias);

// Beginnings of the names that the encoder reads and checks.
std::vector<std::string> EncoderPrefixes();

}  // namespace triptych::model::internlm_xcomposer2
