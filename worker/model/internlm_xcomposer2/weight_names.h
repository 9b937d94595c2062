#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/model_card/internlm_xcomposer2/config.h"
#include "common/string_map.h"
#include "worker/model/internlm2/weight_names.h"
#include "worker/model/layers/plora_linear.h"

namespace triptych::model::internlm_xcomposer2 {

using triptych::internlm_xcomposer2::Config;

// The language model's tensors are named as InternLM2's; its linear layers have .Plora_A.weight and
// .Plora_B.weight beside, and pairs of adapters.
using internlm2::kFinalNorm;
using internlm2::kOutput;
using internlm2::kTokenEmbeddings;
using internlm2::LayerNames;

// The low-rank pairs of each adapter of a checkpoint; it may have none.
layers::AdapterPairs AdapterPairsOf(const Config& config);

// All tensors that a decoder reads.
StringSet DecoderTensors(const Config& config);

// Beginnings of the names that the encoder reads and checks.
std::vector<std::string> EncoderPrefixes();

}  // namespace triptych::model::internlm_xcomposer2
