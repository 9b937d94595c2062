#include "common/model_card/internlm_xcomposer2/chat_prompt.h"

#include <algorithm>
#include <array>
#include <string>

#include "common/model_card/chat_template.h"

namespace triptych::internlm_xcomposer2 {
namespace {

// The system message of the published chat().
constexpr char kMetaInstruction[] =
    "You are an AI assistant whose name is InternLM-XComposer (浦语·灵笔).\n"
    "- InternLM-XComposer (浦语·灵笔) is a multi-modality conversational language model that is developed by Shanghai AI "
    "Laboratory (上海人工智能实验室). It is designed to be helpful, honest, and harmless.\n"
    "- InternLM-XComposer (浦语·灵笔) can understand and communicate fluently in the language chosen by the user such as English "
    "and 中文.\n"
    "- InternLM-XComposer (浦语·灵笔) is capable of comprehending and articulating responses effectively based on the provided "
    "image.";

constexpr ChatTemplate kPublished{.turn_start = "[UNUSED_TOKEN_146]",
                                  .turn_end = "[UNUSED_TOKEN_145]",
                                  .default_system = kMetaInstruction,
                                  .default_system_with_pictures = kMetaInstruction,
                                  .bos_before_every_text = true};
constexpr ChatTemplate kPublished2d5{.turn_start = kPublished.turn_start, .turn_end = kPublished.turn_end};
constexpr ChatTemplate kChatMl{.turn_start = "<|im_start|>",
                               .turn_end = "<|im_end|>",
                               .default_system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"};

// Collects text into pieces that pictures part.
class PieceList {
 public:
  void Text(std::string text, bool trusted) {
    if (text.empty()) return;
    if (pieces_.empty() || pieces_.back().image >= 0) pieces_.emplace_back();
    pieces_.back().runs.push_back({std::move(text), trusted});
  }
  void Part(const PromptPart& part, bool trusted) {
    if (const auto* image = std::get_if<ImageRef>(&part)) {
      pieces_.push_back({image->image, {}});
    } else {
      Text(std::get<std::string>(part), trusted);
    }
  }
  std::vector<PromptPiece> Take() { return std::move(pieces_); }

 private:
  std::vector<PromptPiece> pieces_;
};

std::string_view NameOf(ChatRole role) {
  switch (role) {
    case ChatRole::kSystem: return "system";
    case ChatRole::kUser: return "user";
    case ChatRole::kAssistant: return "assistant";
  }
  return "";
}

bool HasPicture(const ChatMessage& message) {
  return std::ranges::any_of(message.parts, [](const PromptPart& part) { return std::holds_alternative<ImageRef>(part); });
}

}  // namespace

StatusOr<const ChatTemplate*> ChatTemplateOf(Variant variant, const Tokenizer& tokenizer) {
  const ChatTemplate& published = variant == Variant::k2d5 ? kPublished2d5 : kPublished;
  std::string known;
  for (const ChatTemplate* candidate : {&published, &kChatMl}) {
    if (tokenizer.SpecialId(candidate->turn_start) >= 0 && tokenizer.SpecialId(candidate->turn_end) >= 0) return candidate;
    known += fmt::format("{}{} and {}", known.empty() ? "" : ", or ", candidate->turn_start, candidate->turn_end);
  }
  return FailedPrecondition("the tokenizer lacks the special tokens of a chat template: {}", known);
}

StatusOr<std::vector<PromptPiece>> RenderChat(const ChatTemplate& chat_template, std::span<const ChatMessage> messages) {
  PieceList pieces;
  const auto add_turn = [&](ChatRole role, std::span<const PromptPart> parts, bool ends) {
    pieces.Text(fmt::format("{}{}\n", chat_template.turn_start, NameOf(role)), /*trusted=*/true);
    for (const PromptPart& part : parts) pieces.Part(part, /*trusted=*/false);
    if (ends) pieces.Text(fmt::format("{}\n", chat_template.turn_end), /*trusted=*/true);
  };
  const bool has_system = !messages.empty() && messages.front().role == ChatRole::kSystem;
  const bool has_picture = std::ranges::any_of(messages, HasPicture);
  const PromptPart standing_in = std::string(has_picture ? chat_template.default_system_with_pictures : chat_template.default_system);
  const std::span system = has_system ? std::span(messages.front().parts) : std::span(&standing_in, 1);
  if (!IsEmpty(system)) add_turn(ChatRole::kSystem, system, /*ends=*/true);
  const auto turns = messages.subspan(has_system ? 1 : 0);
  TRIPTYCH_RETURN_IF_ERROR(CheckTurns(turns));
  for (const ChatMessage& turn : turns) {
    const bool continued = turn.role == ChatRole::kAssistant && &turn == &turns.back();
    add_turn(turn.role, turn.parts, !continued);
  }
  if (turns.back().role == ChatRole::kUser) add_turn(ChatRole::kAssistant, {}, /*ends=*/false);
  return pieces.Take();
}

std::vector<PromptPiece> RenderRawParts(std::span<const PromptPart> parts) {
  PieceList pieces;
  for (const PromptPart& part : parts) pieces.Part(part, /*trusted=*/true);
  return pieces.Take();
}

}  // namespace triptych::internlm_xcomposer2
