#pragma once

#include "common/model_card/decoder_config.h"
#include "worker/model/layers/decoder.h"

namespace triptych::model::layers {

// What a configuration with LLaMA's keys says of a decoder's sizes.
DecoderSizes SizesOf(const DecoderConfig& config);

}  // namespace triptych::model::layers
