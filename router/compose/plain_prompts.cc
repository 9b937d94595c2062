// Prompts in English, in the model's own chat template, for models that no article prompts are
// published for. They ask for little at a time, so that small models can follow; a choice is asked
// for in the words that models/pictogram was trained on.
#include <algorithm>
#include <charconv>

#include "fmt/format.h"
#include "router/compose/article_text.h"
#include "router/compose/prompt_writer.h"

namespace triptych::router {
namespace {

constexpr size_t kMinParagraphs = 5;
constexpr auto kConversation = StagePrompt::Form::kConversation;

class PlainPrompts final : public PromptSet {
 public:
  StageSettings SettingsOf(Stage stage) const override {
    StageSettings settings;
    switch (stage) {
      case Stage::kArticle:
        settings.sampling.set_temperature(0.6f);
        settings.sampling.set_top_p(0.9f);
        settings.sampling.set_repetition_penalty(1.1f);
        settings.max_new_tokens = 1024;
        break;
      case Stage::kPlaces:
        settings.max_new_tokens = 48;
        settings.stop = {"\n"};
        break;
      case Stage::kCaption:
        settings.max_new_tokens = 48;
        settings.stop = {"\n"};
        break;
      case Stage::kChoice:
        settings.max_new_tokens = 8;
        break;
    }
    return settings;
  }

  StagePrompt ForArticle(std::string_view instruction, int32_t num_pictures) const override {
    PromptWriter writer(kConversation);
    for (int32_t i = 0; i < num_pictures; ++i) writer.Picture(i);
    writer.Text(fmt::format("Write an article of several short paragraphs.\n{}", instruction));
    return std::move(writer).Finish();
  }
  size_t min_paragraphs() const override { return kMinParagraphs; }
  // Every second paragraph.
  size_t UsualPlaces(size_t num_paragraphs) const override { return (num_paragraphs + 1) / 2; }

  StagePrompt ForPlaces(std::span<const std::string> paragraphs,
                        int32_t count,
                        int32_t /*num_pictures*/) const override {
    std::string text = "Here is an article, its paragraphs numbered.\n";
    for (size_t i = 0; i < paragraphs.size(); ++i)
      text += fmt::format("{}. {}\n", i + 1, paragraphs[i]);
    text += count > 0
                ? fmt::format("After which {} of these paragraphs should a picture stand?", count)
                : std::string("After which of these paragraphs should a picture stand?");
    PromptWriter writer(kConversation);
    writer.Text(text + " Answer with their numbers.");
    return std::move(writer).Finish("A picture should stand after the paragraphs");
  }

  // All captions of an article have its text in front and differ only at the end, so that its keys
  // and values are computed once. What can be left out is the article's end; the paragraph itself
  // is quoted anyway.
  StagePrompt ForCaption(std::span<const std::string> paragraphs,
                         int32_t place,
                         std::span<const PastCaption> /*past*/,
                         int32_t dropped) const override {
    std::string text = "Here is an article.\n";
    for (const std::string& paragraph :
         paragraphs.first(paragraphs.size() - std::min<size_t>(dropped, paragraphs.size())))
      text += paragraph + "\n";
    text += fmt::format("Say in a few words what a picture beside this paragraph should show.\n{}",
                        paragraphs[place]);
    PromptWriter writer(kConversation);
    writer.Text(text);
    return std::move(writer).Finish("The picture shows");
  }
  bool captions_in_turn() const override { return false; }

  // models/pictogram/questions.py: choice_text, ASK_PICTURE and ANSWER_PICTURE. The text stands in
  // front, so that the pictures' rows are computed with it in view; it was trained with a short one:
  // the caption, where there is one.
  StagePrompt ForChoice(const ChoiceContext& context) const override {
    PromptWriter writer(kConversation);
    writer.Text(
        fmt::format("Text: {}\n", context.caption.empty() ? context.paragraph : context.caption));
    for (int32_t i = 0; i < context.num_candidates; ++i)
      writer.Text(fmt::format("{}.", static_cast<char>('A' + i))).Picture(i).Text("\n");
    writer.Text("Choose the picture that suits the text.");
    return std::move(writer).Finish("The most suitable picture is");
  }
  bool choice_shows_article() const override { return false; }
  std::vector<std::string> ChoicesFor(int32_t index) const override {
    return {fmt::format(" {}", static_cast<char>('A' + index))};
  }

  std::vector<int32_t> ParsePlaces(std::string_view answer, int32_t num_paragraphs) const override {
    std::vector<int32_t> places;
    const char* const end = answer.data() + answer.size();
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    for (const char* at = std::find_if(answer.data(), end, is_digit); at != end;
         at = std::find_if(at, end, is_digit)) {
      int32_t number = 0;
      const auto [rest, error] = std::from_chars(at, end, number);
      at = rest;
      if (error != std::errc() || number < 1 || number > num_paragraphs) continue;
      if (std::ranges::find(places, number - 1) == places.end()) places.push_back(number - 1);
    }
    return places;
  }

  // To the end of the first sentence.
  std::string ParseCaption(std::string_view answer) const override {
    std::string_view text = TrimSpace(answer);
    text = text.substr(0, text.find('\n'));
    for (const std::string_view end : {". ", "! ", "? ", "。"})
      text = text.substr(0, text.find(end));
    while (text.ends_with('.') || text.ends_with(':')) text.remove_suffix(1);
    return std::string(TrimSpace(text));
  }
};

}  // namespace

std::unique_ptr<PromptSet> MakePlainPrompts() { return std::make_unique<PlainPrompts>(); }

}  // namespace triptych::router
