#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "common/model_card/model_card.h"

namespace triptych::internlm_xcomposer2 {

inline constexpr std::string_view kTurnStart = "[UNUSED_TOKEN_146]";
inline constexpr std::string_view kTurnEnd = "[UNUSED_TOKEN_145]";

// A picture, or text between pictures.
struct PromptPiece {
  int32_t image = -1;          // index of a picture; -1: text
  std::vector<TextRun> runs;   // not empty when text
};

// The published chat template:
//   START system\n{meta}END\nSTART user\n{question}END\nSTART assistant\n{answer}END\n ... START assistant\n
// Without a system message the published meta instruction stands in; an empty one leaves the system turn out. After the system message
// user and assistant take turns; a last assistant message is a beginning that the model continues. kInvalidArgument otherwise.
StatusOr<std::vector<PromptPiece>> RenderChat(std::span<const ChatMessage> messages);

// Parts as they are, their text trusted.
std::vector<PromptPiece> RenderRawParts(std::span<const PromptPart> parts);

}  // namespace triptych::internlm_xcomposer2
