#include "common/model_card/internlm_xcomposer/chat_prompt.h"

#include <string>
#include <utility>

#include "fmt/format.h"

namespace triptych::internlm_xcomposer {
namespace {

// The published code's, less the "meta instruction" and "conversation" around it.
constexpr char kMetaInstruction[] =
    "You are an AI assistant whose name is 浦语.\n"
    "- 浦语 is a conversational language model that is developed by Shanghai AI Laboratory "
    "(上海人工智能实验室). It is designed to be helpful, honest, and harmless.\n"
    "- 浦语 can understand and communicate fluently in the language chosen by the user such as "
    "English and 中文.";

// Collects pieces. Texts that follow each other are one, unless Cut() stands between them.
class PieceList {
 public:
  void Cut() { is_cut_ = true; }
  void Bos() { pieces_.push_back({PromptPiece::Kind::kBos, -1, {}}); }
  void Text(std::string_view text, bool trusted) {
    if (text.empty()) return;
    if (is_cut_ || pieces_.empty() || pieces_.back().kind != PromptPiece::Kind::kText) {
      pieces_.emplace_back();
    }
    is_cut_ = false;
    pieces_.back().runs.push_back({std::string(text), trusted});
  }
  void Message(std::span<const PromptPart> parts) {
    for (const PromptPart& part : parts) {
      if (const auto* image = std::get_if<ImageRef>(&part)) {
        pieces_.push_back({PromptPiece::Kind::kImage, image->image, {}});
      } else {
        Text(std::get<std::string>(part), /*trusted=*/false);
      }
    }
  }
  // What stands around a message is tokenised apart from it.
  void MessageApart(std::span<const PromptPart> parts) {
    Cut();
    Message(parts);
    Cut();
  }
  std::vector<PromptPiece> Take() { return std::move(pieces_); }

 private:
  std::vector<PromptPiece> pieces_;
  bool is_cut_ = false;
};

}  // namespace

StatusOr<std::vector<PromptPiece>> RenderChat(std::span<const ChatMessage> messages) {
  const bool has_system = !messages.empty() && messages.front().role == ChatRole::kSystem;
  const auto turns = messages.subspan(has_system ? 1 : 0);
  TRIPTYCH_RETURN_IF_ERROR(CheckTurns(turns));
  const bool goes_on = turns.back().role == ChatRole::kAssistant;
  const size_t last = turns.size() - (goes_on ? 2 : 1);  // the question to be answered
  const std::vector<PromptPart> standing_in = {std::string(last == 0 ? kMetaInstruction : "")};
  const std::span<const PromptPart> system = has_system ? messages.front().parts : standing_in;
  PieceList pieces;
  for (size_t i = 0; i <= last; i += 2) {
    if (i < last || last == 0) pieces.Bos();
    if (i == 0 && !IsEmpty(system)) {
      pieces.Text("meta instruction\n", /*trusted=*/true);
      pieces.Message(system);
      pieces.Text("\nconversation\n", /*trusted=*/true);
    }
    pieces.Text(" <|User|>:", /*trusted=*/true);
    pieces.MessageApart(turns[i].parts);
    if (i == last) break;
    pieces.Text(" <|Bot|>:", /*trusted=*/true);
    pieces.Bos();
    pieces.MessageApart(turns[i + 1].parts);
  }
  pieces.Text(fmt::format("\n{} <|Bot|>:", kEndOfHuman), /*trusted=*/true);
  if (goes_on) pieces.Message(turns.back().parts);
  return pieces.Take();
}

}  // namespace triptych::internlm_xcomposer
