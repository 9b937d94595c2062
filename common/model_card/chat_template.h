#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/model_card/model_card.h"
#include "common/tokenizer/tokenizer.h"

namespace triptych {

// How a family of models writes conversations. Checkpoints carry this as a Jinja program; it is not run: the few programs that are published
// are known here by their marks, as texts.
struct ChatTemplate {
  // What stands before and after a message of one role. Control tokens are not texts: see below.
  struct Turn {
    std::string before, after;
  };
  std::string name;
  Turn system, user, assistant;
  std::string answer;          // what a prompt ends with, for the model to go on
  std::string default_system;  // where there is no system message; empty: nothing stands there
  std::string system_lead;     // before every system text, which then is never left out
  std::string turn_end;        // the special token that ends an answer beside EOS; empty: none
  bool trims = false;               // white space around messages goes
  bool system_in_user = false;      // the system message is part of the first user message
  bool bos_before_user = false;     // BOS before every user message, rather than once in front
  bool eos_after_assistant = false;
  bool pictures_first = false;      // before the texts of their message, with a line break each; a space follows every text
};

// ChatML, Llama 2, Llama 3, Vicuna or LLaVA by the marks in a checkpoint's Jinja text; where that is empty, ChatML or Llama 3 by the tokenizer's special
// tokens. Nothing: another one. ChatML's default system text is the one that the Jinja text has.
std::optional<ChatTemplate> FindChatTemplate(const std::string& jinja, const Tokenizer& tokenizer);
ChatTemplate LlavaTemplate();
// ChatML as InternLM2's chat() has it, with its system text. The published tokenizer.model calls the markers [UNUSED_TOKEN_146] and 145.
std::optional<ChatTemplate> InternLm2Template(const Tokenizer& tokenizer);
inline constexpr char kKnownTemplates[] = "ChatML, Llama 2, Llama 3, Vicuna, LLaVA";

// A checkpoint's Jinja text: chat_template.jinja, "chat_template" of chat_template.json or of tokenizer_config.json, in this order; empty: there is none.
// kFailedPrecondition names a file that cannot be read.
StatusOr<std::string> ReadJinjaTemplate(const std::string& model_dir);

// A picture, a control token, or text between them.
struct PromptPiece {
  enum class Kind { kText, kImage, kBos, kEos };
  Kind kind = Kind::kText;
  int32_t image = -1;         // index of a picture
  std::vector<TextRun> runs;  // not empty when text
};

// The conversation in pieces; BOS in front is the card's to add unless the template has it before every user message. Markers are trusted texts, messages are not.
// After the system message user and assistant take turns, the user first; a last assistant message is a beginning that the model continues.
// kInvalidArgument otherwise.
StatusOr<std::vector<PromptPiece>> RenderChat(const ChatTemplate& chat_template, std::span<const ChatMessage> messages);

// kInvalidArgument unless user and assistant take turns, the user first; `turns` is a conversation without its system message.
Status CheckTurns(std::span<const ChatMessage> turns);
// No pictures and no text.
bool IsEmpty(std::span<const PromptPart> parts);

// Parts as they are, their text trusted.
std::vector<PromptPiece> RenderRawParts(std::span<const PromptPart> parts);

}  // namespace triptych
