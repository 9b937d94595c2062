#pragma once

#include <string>
#include <string_view>

#include "common/model_card/internlm_xcomposer2/config.h"
#include "common/model_card/llava/config.h"
#include "common/status.h"
#include "worker/weights/dummy_loader.h"

namespace triptych::worker {

// The shapes that models read from their checkpoints instead of from config.json, as published checkpoints have them: what dummy weights have
// to know. `family` is that of model::ModelFacts; one that reads none has an empty map. kFailedPrecondition names file and key.
StatusOr<weights::ShapeMap> DummyShapes(std::string_view family, const std::string& model_dir);

// InternLM-XComposer2: the ranks of Partial LoRA (256; in 4KHD, 8 for wqkv) and of 2.5's task LoRAs (256; lora_web 512), and the tower's position
// table, which has the grid of the configured pictures.
weights::ShapeMap XComposer2Shapes(const internlm_xcomposer2::Config& config);

// LLaVA: the tower's position table.
weights::ShapeMap LlavaShapes(const llava::Config& config);

}  // namespace triptych::worker
