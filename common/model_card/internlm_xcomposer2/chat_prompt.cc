#include "common/model_card/internlm_xcomposer2/chat_prompt.h"

#include <string>

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

constexpr ChatTemplate kV2{.default_system = kMetaInstruction, .bos_before_every_text = true};
constexpr ChatTemplate k2d5{.default_system = "", .bos_before_every_text = false};

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
  void Begin(std::string_view role) { Text(std::string(kTurnStart) + std::string(role) + "\n", true); }
  void End() { Text(std::string(kTurnEnd) + "\n", true); }
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

bool IsEmpty(std::span<const PromptPart> parts) {
  for (const PromptPart& part : parts) {
    const auto* text = std::get_if<std::string>(&part);
    if (text == nullptr || !text->empty()) return false;
  }
  return true;
}

Status CheckTurns(std::span<const ChatMessage> turns) {
  if (turns.empty()) return InvalidArgument("the conversation has no user message");
  for (size_t i = 0; i < turns.size(); ++i) {
    const ChatRole wanted = i % 2 == 0 ? ChatRole::kUser : ChatRole::kAssistant;
    if (turns[i].role != wanted) {
      return InvalidArgument("message {} after the system message is the {}'s; user and assistant take turns, the user first", i,
                             NameOf(turns[i].role));
    }
  }
  return OkStatus();
}

}  // namespace

const ChatTemplate& ChatTemplateOf(Variant variant) { return variant == Variant::k2d5 ? k2d5 : kV2; }

StatusOr<std::vector<PromptPiece>> RenderChat(const ChatTemplate& chat_template, std::span<const ChatMessage> messages) {
  PieceList pieces;
  const bool has_system = !messages.empty() && messages.front().role == ChatRole::kSystem;
  const PromptPart standing_in = std::string(chat_template.default_system);
  const std::span system = has_system ? std::span(messages.front().parts) : std::span(&standing_in, 1);
  if (!IsEmpty(system)) {
    pieces.Begin("system");
    for (const PromptPart& part : system) pieces.Part(part, /*trusted=*/false);
    pieces.End();
  }
  const auto turns = messages.subspan(has_system ? 1 : 0);
  TRIPTYCH_RETURN_IF_ERROR(CheckTurns(turns));
  for (const ChatMessage& turn : turns) {
    pieces.Begin(NameOf(turn.role));
    for (const PromptPart& part : turn.parts) pieces.Part(part, /*trusted=*/false);
    const bool continued = turn.role == ChatRole::kAssistant && &turn == &turns.back();
    if (!continued) pieces.End();
  }
  if (turns.back().role == ChatRole::kUser) pieces.Begin("assistant");
  return pieces.Take();
}

std::vector<PromptPiece> RenderRawParts(std::span<const PromptPart> parts) {
  PieceList pieces;
  for (const PromptPart& part : parts) pieces.Part(part, /*trusted=*/true);
  return pieces.Take();
}

}  // namespace triptych::internlm_xcomposer2
