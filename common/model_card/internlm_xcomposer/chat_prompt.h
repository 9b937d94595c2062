#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "common/model_card/chat_template.h"
#include "common/model_card/model_card.h"

namespace triptych::internlm_xcomposer {

// Special tokens: what ends a question, and what ends an answer.
inline constexpr std::string_view kEndOfHuman = "<TOKENS_UNUSED_0>";
inline constexpr std::string_view kEndOfBot = "<TOKENS_UNUSED_1>";

// The conversation as the published chat() has it, from its modeling_InternLM_XComposer.py. Texts
// between the bars are tokenised each by itself; BOS is a token:
//   BOS " <|User|>:" | {question} | " <|Bot|>:" BOS {answer} |    each turn that is over
//   " <|User|>:" | {question} | "\n<TOKENS_UNUSED_0> <|Bot|>:"    the last one; BOS in front of it
//                                                                 where it is the only one
// A system message stands in front of the first " <|User|>:", in one text with it:
//   BOS "meta instruction\n{system}\nconversation\n <|User|>:"
// Where there is none the published meta instruction does, in a conversation of one question alone,
// as chat() has it; an empty system message leaves it out. A last assistant message is a beginning
// that the model continues; it is one text with the "<|Bot|>:" before it. Pictures stand where
// their message's parts have them. kInvalidArgument for roles out of order or no user message.
StatusOr<std::vector<PromptPiece>> RenderChat(std::span<const ChatMessage> messages);

}  // namespace triptych::internlm_xcomposer
