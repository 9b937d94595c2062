// The prompts of the published demonstrations: InternLM-XComposer-1.0/examples/web_demo.py,
// InternLM-XComposer-2.0/examples/gradio_demo_composition.py and, for 2.5,
// gradio_demo/gradio_demo_composition.py of github.com/InternLM/InternLM-XComposer. Models were
// trained on these words; none of them may change.
#include <algorithm>
#include <charconv>

#include "fmt/format.h"
#include "router/compose/article_text.h"
#include "router/compose/prompt_writer.h"

namespace triptych::router {
namespace {

std::string Segment(size_t index, std::string_view paragraph) {
  return fmt::format("<Seg{}> {}\n", index, paragraph);
}

std::string Segments(std::span<const std::string> paragraphs, size_t begin, size_t end) {
  std::string text;
  for (size_t i = begin; i < end; ++i) text += Segment(i, paragraphs[i]);
  return text;
}

// Every "<Seg...>" with a number in it.
std::vector<int32_t> SegmentsIn(std::string_view answer, int32_t num_paragraphs) {
  constexpr std::string_view kMark = "<Seg";
  std::vector<int32_t> places;
  for (size_t at = answer.find(kMark); at != std::string_view::npos;
       at = answer.find(kMark, at + 1)) {
    const char* const begin = answer.data() + at + kMark.size();
    const char* const end = answer.data() + answer.size();
    int32_t place = -1;
    const auto [rest, error] = std::from_chars(begin, end, place);
    if (error != std::errc() || rest == end || *rest != '>' || place < 0 || place >= num_paragraphs)
      continue;
    if (std::ranges::find(places, place) == places.end()) places.push_back(place);
  }
  return places;
}

std::string PlacesQuestion(std::span<const std::string> paragraphs, int32_t count) {
  const std::string number = count > 0 ? std::to_string(count) : "";
  return fmt::format("给定文章\"{}\" 根据上述文章，选择适合插入图像的{}行",
                     Segments(paragraphs, 0, paragraphs.size()),
                     number);
}

// Shows the article to one paragraph behind the place; its beginning is what can be left out.
std::string CaptionQuestion(std::span<const std::string> paragraphs,
                            int32_t place,
                            std::span<const PastCaption> past,
                            int32_t dropped) {
  const size_t end = std::min<size_t>(place + 2, paragraphs.size());
  std::string quoted;
  for (const PastCaption& one : past) {
    quoted += fmt::format("{}<Seg{}>后插入图像对应的标题是\"{}\"",
                          quoted.empty() ? "现在" : "， ",
                          one.paragraph,
                          one.caption);
  }
  if (!quoted.empty()) quoted += "。";
  return fmt::format("给定文章\"{}\" {}给出适合在<Seg{}>后插入的图像对应的标题。",
                     Segments(paragraphs, std::min<size_t>(dropped, place), end),
                     quoted,
                     place);
}

constexpr char kPlacesAnswer[] = "适合插入图像的行是";
constexpr char kCaptionAnswer[] = "标题是\"";
constexpr char kChoiceQuestion[] = "根据给定上下文和候选图像，选择合适的配图：";
constexpr char kCandidates[] = "候选图像包括: ";
constexpr char kChoiceAnswer[] = "最合适的图是";

// The article with its pictures, then the candidates, a line each.
void WriteChoice(const ChoiceContext& context,
                 std::string_view before_candidates,
                 PromptWriter& writer) {
  int32_t picture = 0;
  writer.Text(kChoiceQuestion);
  for (const std::string& piece : context.pieces) {
    if (&piece != &context.pieces.front()) writer.Picture(picture++);
    writer.Text(piece);
  }
  writer.Text(before_candidates).Text(kCandidates);
  for (int32_t i = 0; i < context.num_candidates; ++i) {
    writer.Text(fmt::format("{}{}.", i == 0 ? "" : "\n", static_cast<char>('A' + i)))
        .Picture(picture++);
  }
}

std::string UpTo(std::string_view text, size_t end) {
  return std::string(TrimSpace(text.substr(0, end)));
}

class XComposer1Prompts final : public PromptSet {
 public:
  StageSettings SettingsOf(Stage stage) const override {
    StageSettings settings;
    settings.stop_tokens = {"<TOKENS_UNUSED_0>", "<TOKENS_UNUSED_1>"};
    switch (stage) {  // the published max_length counts the BOS in front of an answer
      case Stage::kArticle:
        settings.sampling.set_num_beams(5);
        settings.sampling.set_repetition_penalty(5);
        settings.max_new_tokens = 999;
        break;
      case Stage::kPlaces:
        settings.sampling.set_num_beams(5);
        settings.max_new_tokens = 299;
        break;
      case Stage::kCaption:
        settings.sampling.set_repetition_penalty(5);
        settings.max_new_tokens = 99;
        settings.stop = {"\""};
        break;
      case Stage::kChoice:
        settings.max_new_tokens = 9;
        break;
    }
    return settings;
  }

  StagePrompt ForArticle(std::string_view instruction, int32_t /*num_pictures*/) const override {
    PromptWriter writer(StagePrompt::Form::kRaw);
    writer.Trusted(" <|User|>:根据给定标题写一个图文并茂，不重复的文章：")
        .Text(instruction)
        .Trusted("\n<TOKENS_UNUSED_0> <|Bot|>:");
    return std::move(writer).Finish();
  }
  StagePrompt ForPlaces(std::span<const std::string> paragraphs,
                        int32_t count,
                        int32_t /*num_pictures*/) const override {
    PromptWriter writer(StagePrompt::Form::kRaw);
    writer.Trusted(" <|User|>:").Text(PlacesQuestion(paragraphs, count));
    writer.Trusted(" \n<TOKENS_UNUSED_0> <|Bot|>:").Trusted(kPlacesAnswer);
    return std::move(writer).Finish();
  }
  StagePrompt ForCaption(std::span<const std::string> paragraphs,
                         int32_t place,
                         std::span<const PastCaption> past,
                         int32_t dropped) const override {
    PromptWriter writer(StagePrompt::Form::kRaw);
    writer.Trusted(" <|User|>: ").Text(CaptionQuestion(paragraphs, place, past, dropped));
    writer.Trusted(" \n<TOKENS_UNUSED_0> <|Bot|>: ").Trusted(kCaptionAnswer);
    return std::move(writer).Finish();
  }
  bool captions_in_turn() const override { return true; }
  // The published align_text() puts a second space in front and a second end of turn behind.
  StagePrompt ForChoice(const ChoiceContext& context) const override {
    PromptWriter writer(StagePrompt::Form::kRaw);
    writer.Trusted("  <|User|>:");
    WriteChoice(context, "\n\n", writer);
    writer.Trusted("\n\n<TOKENS_UNUSED_0> <TOKENS_UNUSED_0> <|Bot|>:").Trusted(kChoiceAnswer);
    return std::move(writer).Finish();
  }
  bool choice_shows_article() const override { return true; }
  std::vector<std::string> ChoicesFor(int32_t index) const override {
    const char letter = static_cast<char>('A' + index);
    return {std::string(1, letter), fmt::format(" {}", letter)};
  }
  std::vector<int32_t> ParsePlaces(std::string_view answer, int32_t num_paragraphs) const override {
    return SegmentsIn(answer, num_paragraphs);
  }
  std::string ParseCaption(std::string_view answer) const override {
    return UpTo(answer, answer.find('"'));
  }
};

// XComposer2 and 4KHD, and 2.5, which is given an example of a caption.
class XComposer2Prompts final : public PromptSet {
 public:
  explicit XComposer2Prompts(bool is_2d5) : is_2d5_(is_2d5) {}

  StageSettings SettingsOf(Stage stage) const override {
    StageSettings settings;
    settings.sampling.set_temperature(1);
    settings.sampling.set_top_p(0.8f);
    settings.sampling.set_top_k(40);
    settings.sampling.set_repetition_penalty(1.005f);
    settings.stop_tokens = {"[UNUSED_TOKEN_0]"};
    switch (stage) {
      case Stage::kArticle:
        settings.max_new_tokens = is_2d5_ ? 8192 : 4096;
        if (is_2d5_) settings.max_tokens = 8192;
        break;
      case Stage::kPlaces:
        settings.max_new_tokens = 200;
        break;
      case Stage::kCaption:
        settings.max_new_tokens = 200;
        if (!is_2d5_) settings.stop = {"\""};
        break;
      case Stage::kChoice:
        settings.max_new_tokens = 10;
        break;
    }
    return settings;
  }

  // "<image> " for each of the user's pictures, without the last space.
  StagePrompt ForArticle(std::string_view instruction, int32_t num_pictures) const override {
    PromptWriter writer(StagePrompt::Form::kRaw);
    writer.Trusted(kUser);
    for (int32_t i = 0; i < num_pictures; ++i) writer.Text(i == 0 ? "" : " ").Picture(i);
    writer.Text(instruction).Trusted(kAnswer);
    return std::move(writer).Finish();
  }
  StagePrompt ForPlaces(std::span<const std::string> paragraphs,
                        int32_t count,
                        int32_t num_pictures) const override {
    PromptWriter writer(StagePrompt::Form::kRaw);
    writer.Trusted(kUser);
    for (int32_t i = 0; i < num_pictures; ++i) writer.Picture(i).Text(" ");
    writer.Text(PlacesQuestion(paragraphs, count)).Trusted(kAnswer).Trusted(kPlacesAnswer);
    return std::move(writer).Finish();
  }
  StagePrompt ForCaption(std::span<const std::string> paragraphs,
                         int32_t place,
                         std::span<const PastCaption> past,
                         int32_t dropped) const override {
    PromptWriter writer(StagePrompt::Form::kRaw);
    if (is_2d5_) writer.Trusted(kCaptionSystem);
    writer.Trusted(kUser)
        .Trusted(is_2d5_ ? kCaptionExample : "")
        .Text(CaptionQuestion(paragraphs, place, past, dropped));
    writer.Trusted(is_2d5_ ? "</input><output>" : "").Trusted(kAnswer).Trusted(kCaptionAnswer);
    return std::move(writer).Finish();
  }
  bool captions_in_turn() const override { return true; }
  StagePrompt ForChoice(const ChoiceContext& context) const override {
    PromptWriter writer(StagePrompt::Form::kRaw);
    writer.Trusted(kUser);
    WriteChoice(context, "", writer);
    writer.Trusted(kAnswer).Trusted(kChoiceAnswer);
    return std::move(writer).Finish();
  }
  bool choice_shows_article() const override { return true; }
  // The published code leaves out the answer's first token, which may be a colon.
  std::vector<std::string> ChoicesFor(int32_t index) const override {
    const char letter = static_cast<char>('A' + index);
    return {std::string(1, letter),
            fmt::format(" {}", letter),
            fmt::format(":{}", letter),
            fmt::format(": {}", letter),
            fmt::format("：{}", letter)};
  }
  std::vector<int32_t> ParsePlaces(std::string_view answer, int32_t num_paragraphs) const override {
    return SegmentsIn(answer, num_paragraphs);
  }
  // 2.5's captions may have quotation marks in them: the last one ends it.
  std::string ParseCaption(std::string_view answer) const override {
    return UpTo(answer, is_2d5_ ? answer.rfind('"') : answer.find('"'));
  }

 private:
  static constexpr char kUser[] = "[UNUSED_TOKEN_146]user\n";
  static constexpr char kAnswer[] = "[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]assistant\n";
  static constexpr char kCaptionSystem[] =
      "[UNUSED_TOKEN_146]system\n请严格按照示例的<input> "
      "<output>格式，根据给定的文章，给出适合在某一段后插入的图像对应的标题。[UNUSED_TOKEN_145]\n";
  static constexpr char kCaptionExample[] =
      "<input>\n给定文章\"<Seg0> 大多数的车友们在选车、购车时都会格外关注续航\n<Seg1> "
      "甚至还有要求电动滑板车跑一百公里的\n"
      "<Seg2> 但这真的是你所需要的吗?\n<Seg3> 据报告，一线城市上班族通勤半径均在10公里以内\n"
      "<Seg4> 所以大多数通勤出行RND的续航完全可以满足\n<Seg5> "
      "可能会有人说，续航短导致一天一充或两充很麻烦\n"
      "\" 给出适合在<Seg4>后插入的图像对应的标题。</input>\n<output>\n"
      "标题是\"一个人正站在充电桩前给电动滑板车充电，面容看上去有些疲惫\"</output>\n<input>\n";

  const bool is_2d5_;
};

}  // namespace

std::unique_ptr<PromptSet> MakeXComposer1Prompts() { return std::make_unique<XComposer1Prompts>(); }
std::unique_ptr<PromptSet> MakeXComposer2Prompts() {
  return std::make_unique<XComposer2Prompts>(/*is_2d5=*/false);
}
std::unique_ptr<PromptSet> MakeXComposer2d5Prompts() {
  return std::make_unique<XComposer2Prompts>(/*is_2d5=*/true);
}

}  // namespace triptych::router
