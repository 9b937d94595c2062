#pragma once

#include <memory>
#include <string>

#include "common/model_card/model_card.h"

namespace triptych::internlm_xcomposer2 {

// The card of InternLM-XComposer2 and -VL (every picture squashed to img_size, (img_size / 14)^2 rows), of 4KHD and of 2.5 (a global view and
// tiles, image_geometry.h). Which one it is, and whether it has task LoRAs, LoadConfig tells. The published checkpoints have a SentencePiece
// tokenizer and its markers; one whose tokenizer has ChatML's speaks ChatML (chat_prompt.h). A tokenizer that puts no BOS in front of a text
// gets none in any prompt. The image placeholder is <unk>, where there is none <|endoftext|>, else EOS. The digest is over config.json and the
// files that TokenizerFiles names.
StatusOr<std::unique_ptr<ModelCard>> LoadCard(const std::string& model_dir);

}  // namespace triptych::internlm_xcomposer2
