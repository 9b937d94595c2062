#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "common/model_card/internlm_xcomposer2/config.h"
#include "common/model_card/model_card.h"

namespace triptych::internlm_xcomposer2 {

// How a checkpoint's conversations are written.
struct ChatTemplate {
  std::string_view turn_start;
  std::string_view turn_end;
  // What stands in for a system message that is not there; empty: nothing does, and the turn is left out.
  std::string_view default_system;
  std::string_view default_system_with_pictures;
  // Every text between pictures begins with BOS, as the published chat() has it, rather than BOS standing in front, once.
  bool bos_before_every_text = false;
};

// Told by the markers that the tokenizer has: those of the published checkpoints ([UNUSED_TOKEN_146] and 145), else ChatML's (<|im_start|> and
// <|im_end|>), with the default system text of SmolLM2 for texts alone. Of the published ones XComposer2, -VL and 4KHD have the meta
// instruction as a default and BOS before every text; 2.5 has no default, and BOS once. kFailedPrecondition: it has no such markers.
StatusOr<const ChatTemplate*> ChatTemplateOf(Variant variant, const Tokenizer& tokenizer);

// A picture, or text between pictures.
struct PromptPiece {
  int32_t image = -1;          // index of a picture; -1: text
  std::vector<TextRun> runs;   // not empty when text
};

// The conversation, with pictures where the parts have them:
//   START system\n{system}END\nSTART user\n{question}END\nSTART assistant\n{answer}END\n ... START assistant\n
// Without a system message the template's default stands in; an empty one leaves the system turn out. After the system message
// user and assistant take turns; a last assistant message is a beginning that the model continues. kInvalidArgument otherwise.
//
// (2.5's chat() puts a single picture that its question does not place in front of the whole prompt, before the first START. Messages place
// each picture themselves; a raw prompt that begins with the picture is that layout.)
StatusOr<std::vector<PromptPiece>> RenderChat(const ChatTemplate& chat_template, std::span<const ChatMessage> messages);

// Parts as they are, their text trusted.
std::vector<PromptPiece> RenderRawParts(std::span<const PromptPart> parts);

}  // namespace triptych::internlm_xcomposer2
