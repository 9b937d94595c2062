#include "router/compose/stage_prompts.h"

#include <utility>

namespace triptych::router {

int32_t ParseChoice(std::string_view answer, int32_t num_candidates) {
  const size_t at = answer.find_first_not_of(" \t\r\n:");
  std::string_view rest = at == std::string_view::npos ? std::string_view() : answer.substr(at);
  constexpr std::string_view kWideColon = "：";
  if (rest.starts_with(kWideColon)) rest.remove_prefix(kWideColon.size());
  if (rest.empty()) return 0;
  const int32_t index = rest.front() - 'A';
  return index >= 0 && index < num_candidates ? index : 0;
}

std::unique_ptr<PromptSet> MakePromptSet(const ModelCard& card) {
  const auto has = [&](std::string_view spelling) {
    return card.tokenizer().SpecialId(spelling) >= 0;
  };
  if (card.family() == "internlm-xcomposer" && has("<TOKENS_UNUSED_0>"))
    return MakeXComposer1Prompts();
  // A model of these families may speak another language than the published ones: its tokenizer
  // tells.
  const bool published = has("[UNUSED_TOKEN_146]") && has("[UNUSED_TOKEN_145]");
  if (published && card.family() == "internlm-xcomposer2d5") return MakeXComposer2d5Prompts();
  if (published && card.family().starts_with("internlm-xcomposer2")) return MakeXComposer2Prompts();
  return MakePlainPrompts();
}

namespace {

StatusOr<TokenizedPrompt> RenderRaw(const ModelCard& card,
                                    const StagePrompt& prompt,
                                    std::span<const PromptImage> images) {
  PromptBuilder builder(&card, images);
  if (const TokenId bos = card.tokenizer().bos(); bos >= 0) builder.AddIds(std::span(&bos, 1));
  std::vector<TextRun> runs;
  const auto flush = [&] {
    if (!runs.empty()) builder.AddIds(card.tokenizer().Encode(std::exchange(runs, {})));
  };
  for (const StagePrompt::Part& part : prompt.parts) {
    if (const auto* text = std::get_if<TextRun>(&part)) {
      if (!text->text.empty()) runs.push_back(*text);
      continue;
    }
    flush();
    TRIPTYCH_RETURN_IF_ERROR(builder.AddImage(std::get<ImageRef>(part).image));
  }
  flush();
  return std::move(builder).Finish();
}

}  // namespace

StatusOr<TokenizedPrompt> RenderStage(const ModelCard& card,
                                      const StagePrompt& prompt,
                                      std::span<const PromptImage> images) {
  if (prompt.form == StagePrompt::Form::kRaw) return RenderRaw(card, prompt, images);
  std::vector<ChatMessage> messages(1);
  for (const StagePrompt::Part& part : prompt.parts) {
    if (const auto* text = std::get_if<TextRun>(&part)) {
      messages.front().parts.emplace_back(text->text);
    } else {
      messages.front().parts.emplace_back(std::get<ImageRef>(part));
    }
  }
  if (!prompt.answer.empty()) messages.push_back({ChatRole::kAssistant, {prompt.answer}});
  return card.RenderConversation(messages, images);
}

}  // namespace triptych::router
