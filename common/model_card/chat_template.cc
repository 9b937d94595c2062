#include "common/model_card/chat_template.h"

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <utility>

#include "common/json/json_config.h"
#include "common/text_file.h"

namespace triptych {
namespace {

constexpr std::string_view kChatMlStart = "<|im_start|>";
constexpr std::string_view kChatMlEnd = "<|im_end|>";

constexpr char kVicunaSystem[] =
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the "
    "user's questions.";
// The system message of InternLM2's published chat().
constexpr char kInternLm2System[] =
    "You are an AI assistant whose name is InternLM (书生·浦语).\n"
    "- InternLM (书生·浦语) is a conversational language model that is developed by Shanghai AI Laboratory (上海人工智能实验室). It is designed to be "
    "helpful, honest, and harmless.\n"
    "- InternLM (书生·浦语) can understand and communicate fluently in the language chosen by the user such as English and 中文.";

ChatTemplate ChatMl(std::string_view start, std::string_view end, std::string default_system) {
  const auto turn = [&](std::string_view role) {
    return ChatTemplate::Turn{fmt::format("{}{}\n", start, role), fmt::format("{}\n", end)};
  };
  return {.name = "ChatML",
          .system = turn("system"),
          .user = turn("user"),
          .assistant = turn("assistant"),
          .answer = turn("assistant").before,
          .default_system = std::move(default_system),
          .turn_end = std::string(end)};
}

ChatTemplate Llama2() {
  return {.name = "Llama 2",
          .system = {"<<SYS>>\n", "\n<</SYS>>\n\n"},
          .user = {"[INST] ", " [/INST]"},
          .assistant = {" ", " "},
          .trims = true,
          .system_in_user = true,
          .bos_before_user = true,
          .eos_after_assistant = true};
}

// From 3.1 on a system turn with dates is always there; the published programs fall back to this day where nobody tells them another.
ChatTemplate Llama3(bool with_dates) {
  const auto turn = [](std::string_view role) {
    return ChatTemplate::Turn{fmt::format("<|start_header_id|>{}<|end_header_id|>\n\n", role), "<|eot_id|>"};
  };
  return {.name = "Llama 3",
          .system = turn("system"),
          .user = turn("user"),
          .assistant = turn("assistant"),
          .answer = turn("assistant").before,
          .system_lead = with_dates ? "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n" : "",
          .turn_end = "<|eot_id|>",
          .trims = true};
}

ChatTemplate Vicuna(std::string default_system) {
  return {.name = "Vicuna",
          .system = {"", " "},
          .user = {"USER: ", " "},
          .assistant = {"ASSISTANT: ", ""},
          .answer = "ASSISTANT:",
          .default_system = std::move(default_system),
          .eos_after_assistant = true};
}

bool Has(std::string_view text, std::string_view mark) { return text.find(mark) != std::string_view::npos; }

// The system text that a ChatML program puts in where there is none: it stands between the markers as it is, in a Jinja string or outside of one.
std::string DefaultSystem(std::string_view jinja) {
  for (const std::string_view line_break : {"\\n", "\n"}) {
    const std::string opening = fmt::format("{}system{}", kChatMlStart, line_break);
    for (size_t at = jinja.find(opening); at != std::string_view::npos; at = jinja.find(opening, at + 1)) {
      const std::string_view rest = jinja.substr(at + opening.size());
      const std::string_view text = rest.substr(0, rest.find(kChatMlEnd));
      if (text.size() < rest.size() && text.find_first_of("'\"{}\\") == std::string_view::npos) return std::string(text);
    }
  }
  return "";
}

bool HasSpecial(const Tokenizer& tokenizer, std::initializer_list<std::string_view> spellings) {
  return std::ranges::all_of(spellings, [&](std::string_view spelling) { return tokenizer.SpecialId(spelling) >= 0; });
}

// Collects text into pieces that pictures and control tokens part.
class PieceList {
 public:
  void Text(std::string_view text, bool trusted) {
    if (text.empty()) return;
    if (pieces_.empty() || pieces_.back().kind != PromptPiece::Kind::kText) pieces_.emplace_back();
    pieces_.back().runs.push_back({std::string(text), trusted});
  }
  void Image(int32_t image) { pieces_.push_back({PromptPiece::Kind::kImage, image, {}}); }
  void Control(PromptPiece::Kind kind) { pieces_.push_back({kind, -1, {}}); }
  std::vector<PromptPiece> Take() { return std::move(pieces_); }

 private:
  std::vector<PromptPiece> pieces_;
};

constexpr std::string_view kWhiteSpace = " \t\n\r\f\v";

// A message's parts without the white space at its end and, with `front`, at its beginning.
std::vector<PromptPart> Trimmed(std::vector<PromptPart> parts, bool front) {
  while (front && !parts.empty()) {
    auto* text = std::get_if<std::string>(&parts.front());
    if (text == nullptr) break;
    text->erase(0, std::min(text->find_first_not_of(kWhiteSpace), text->size()));
    if (!text->empty()) break;
    parts.erase(parts.begin());
  }
  while (!parts.empty()) {
    auto* text = std::get_if<std::string>(&parts.back());
    if (text == nullptr) break;
    text->erase(text->find_last_not_of(kWhiteSpace) + 1);
    if (!text->empty()) break;
    parts.pop_back();
  }
  return parts;
}

// Renders one conversation.
class Renderer {
 public:
  explicit Renderer(const ChatTemplate& chat_template) : template_(chat_template) {}

  void System(std::span<const PromptPart> parts) {
    if (template_.system_lead.empty() && IsEmpty(parts)) return;
    pieces_.Text(template_.system.before, /*trusted=*/true);
    pieces_.Text(template_.system_lead, /*trusted=*/true);
    Message(parts, Ends::kBoth);
    pieces_.Text(template_.system.after, /*trusted=*/true);
  }

  // `system`: what is to stand inside of this turn.
  void User(std::span<const PromptPart> parts, std::span<const PromptPart> system) {
    if (template_.bos_before_user) pieces_.Control(PromptPiece::Kind::kBos);
    pieces_.Text(template_.user.before, /*trusted=*/true);
    if (!IsEmpty(system)) {
      pieces_.Text(template_.system.before, /*trusted=*/true);
      for (const PromptPart& part : system) Part(part);
      pieces_.Text(template_.system.after, /*trusted=*/true);
    }
    Message(parts, IsEmpty(system) ? Ends::kBoth : Ends::kLast);
    pieces_.Text(template_.user.after, /*trusted=*/true);
  }

  void Assistant(std::span<const PromptPart> parts, bool goes_on) {
    pieces_.Text(template_.assistant.before, /*trusted=*/true);
    Message(parts, Ends::kBoth, goes_on);
    if (goes_on) return;
    pieces_.Text(template_.assistant.after, /*trusted=*/true);
    if (template_.eos_after_assistant) pieces_.Control(PromptPiece::Kind::kEos);
  }

  void Answer() { pieces_.Text(template_.answer, /*trusted=*/true); }
  std::vector<PromptPiece> Take() { return pieces_.Take(); }

 private:
  enum class Ends { kBoth, kLast };

  void Part(const PromptPart& part) {
    if (const auto* image = std::get_if<ImageRef>(&part)) return pieces_.Image(image->image);
    pieces_.Text(std::get<std::string>(part), /*trusted=*/false);
  }
  // `trimmed`: the ends that lose white space, where the template trims.
  void Message(std::span<const PromptPart> parts, Ends trimmed, bool goes_on = false) {
    std::vector<PromptPart> list(parts.begin(), parts.end());
    if (template_.trims) list = Trimmed(std::move(list), /*front=*/trimmed == Ends::kBoth);
    if (template_.pictures_first) {
      std::ranges::stable_partition(list, [](const PromptPart& part) { return std::holds_alternative<ImageRef>(part); });
    }
    for (const PromptPart& part : list) {
      Part(part);
      if (!template_.pictures_first || (goes_on && &part == &list.back())) continue;
      pieces_.Text(std::holds_alternative<ImageRef>(part) ? "\n" : " ", /*trusted=*/true);
    }
  }

  const ChatTemplate& template_;
  PieceList pieces_;
};

std::string_view NameOf(ChatRole role) {
  switch (role) {
    case ChatRole::kSystem: return "system";
    case ChatRole::kUser: return "user";
    case ChatRole::kAssistant: return "assistant";
  }
  return "";
}

}  // namespace

std::optional<ChatTemplate> FindChatTemplate(const std::string& jinja, const Tokenizer& tokenizer) {
  const bool has_chat_ml = HasSpecial(tokenizer, {kChatMlStart, kChatMlEnd});
  const bool has_llama3 = HasSpecial(tokenizer, {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"});
  if (has_chat_ml && (jinja.empty() || Has(jinja, kChatMlStart))) return ChatMl(kChatMlStart, kChatMlEnd, DefaultSystem(jinja));
  if (has_llama3 && (jinja.empty() || Has(jinja, "<|start_header_id|>"))) return Llama3(Has(jinja, "Cutting Knowledge Date"));
  if (Has(jinja, "[INST]") && Has(jinja, "<<SYS>>")) return Llama2();
  if (Has(jinja, "message['role'].upper() + ': '")) return LlavaTemplate();
  if (Has(jinja, "USER: ") && Has(jinja, "ASSISTANT:")) return Vicuna(Has(jinja, "A chat between a curious user") ? kVicunaSystem : "");
  return std::nullopt;
}

ChatTemplate LlavaTemplate() {
  return {.name = "LLaVA",
          .user = {"USER: ", ""},
          .assistant = {"ASSISTANT: ", ""},
          .answer = "ASSISTANT:",
          .pictures_first = true};
}

std::optional<ChatTemplate> InternLm2Template(const Tokenizer& tokenizer) {
  constexpr std::string_view kPieces[] = {"[UNUSED_TOKEN_146]", "[UNUSED_TOKEN_145]"};
  if (HasSpecial(tokenizer, {kPieces[0], kPieces[1]})) return ChatMl(kPieces[0], kPieces[1], kInternLm2System);
  if (HasSpecial(tokenizer, {kChatMlStart, kChatMlEnd})) return ChatMl(kChatMlStart, kChatMlEnd, kInternLm2System);
  return std::nullopt;
}

StatusOr<std::string> ReadJinjaTemplate(const std::string& model_dir) {
  const std::string jinja = model_dir + "/chat_template.jinja";
  if (std::filesystem::exists(jinja)) return ReadTextFile(jinja);
  for (const char* name : {"/chat_template.json", "/tokenizer_config.json"}) {
    const std::string path = model_dir + name;
    if (!std::filesystem::exists(path)) continue;
    TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
    TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json object, ParseJsonObject(text, path));
    const auto found = object.find("chat_template");
    if (found == object.end() || found->is_null()) continue;
    if (found->is_string()) return found->get<std::string>();
    for (const nlohmann::json& entry : *found) {  // several, by name
      const bool is_default = entry.is_object() && entry.value("name", nlohmann::json()) == "default";
      if (is_default && entry.contains("template") && entry["template"].is_string()) return entry["template"].get<std::string>();
    }
    return FailedPrecondition("{}: chat_template: it is neither a text nor a list with one named 'default'", path);
  }
  return std::string();
}

StatusOr<std::vector<PromptPiece>> RenderChat(const ChatTemplate& chat_template, std::span<const ChatMessage> messages) {
  const bool has_system = !messages.empty() && messages.front().role == ChatRole::kSystem;
  const std::vector<PromptPart> standing_in = {chat_template.default_system};
  std::span<const PromptPart> system = has_system ? messages.front().parts : standing_in;
  const auto turns = messages.subspan(has_system ? 1 : 0);
  TRIPTYCH_RETURN_IF_ERROR(CheckTurns(turns));
  Renderer renderer(chat_template);
  if (!chat_template.system_in_user) {
    renderer.System(system);
    system = {};
  }
  for (const ChatMessage& turn : turns) {
    const bool is_last = &turn == &turns.back();
    if (turn.role == ChatRole::kAssistant) {
      renderer.Assistant(turn.parts, /*goes_on=*/is_last);
    } else {
      renderer.User(turn.parts, system);
      system = {};
    }
  }
  if (turns.back().role == ChatRole::kUser) renderer.Answer();
  return renderer.Take();
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

bool IsEmpty(std::span<const PromptPart> parts) {
  return std::ranges::all_of(parts, [](const PromptPart& part) {
    const auto* text = std::get_if<std::string>(&part);
    return text != nullptr && text->empty();
  });
}

std::vector<PromptPiece> RenderRawParts(std::span<const PromptPart> parts) {
  PieceList pieces;
  for (const PromptPart& part : parts) {
    if (const auto* image = std::get_if<ImageRef>(&part)) {
      pieces.Image(image->image);
    } else {
      pieces.Text(std::get<std::string>(part), /*trusted=*/true);
    }
  }
  return pieces.Take();
}

}  // namespace triptych
