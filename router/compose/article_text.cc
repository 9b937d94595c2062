#include "router/compose/article_text.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/tokenizer/utf8.h"
#include "fmt/format.h"

namespace triptych::router {
namespace {

constexpr size_t kMaxTitleCharacters = 120;
constexpr std::string_view kAsciiSpace = " \t\r\n\v\f";
constexpr std::string_view kWideSpaces[] = {"\u3000", "\u00a0"};

std::string_view TrimFront(std::string_view text) {
  while (!text.empty()) {
    if (kAsciiSpace.find(text.front()) != std::string_view::npos) {
      text.remove_prefix(1);
      continue;
    }
    const auto wide =
        std::ranges::find_if(kWideSpaces, [&](std::string_view s) { return text.starts_with(s); });
    if (wide == std::end(kWideSpaces)) break;
    text.remove_prefix(wide->size());
  }
  return text;
}

std::string_view TrimBack(std::string_view text) {
  while (!text.empty()) {
    if (kAsciiSpace.find(text.back()) != std::string_view::npos) {
      text.remove_suffix(1);
      continue;
    }
    const auto wide =
        std::ranges::find_if(kWideSpaces, [&](std::string_view s) { return text.ends_with(s); });
    if (wide == std::end(kWideSpaces)) break;
    text.remove_suffix(wide->size());
  }
  return text;
}

// The heading in a paragraph, or nothing.
std::string_view HeadingIn(std::string_view paragraph) {
  constexpr std::string_view kMarks[] = {"Title:", "标题：", "标题:"};
  std::string_view text = paragraph;
  while (text.starts_with("*")) text.remove_prefix(1);
  for (const std::string_view mark : kMarks) {
    if (!text.starts_with(mark)) continue;
    text.remove_prefix(mark.size());
    while (text.starts_with("*")) text.remove_prefix(1);
    while (text.ends_with("*")) text.remove_suffix(1);
    return TrimSpace(text);
  }
  const size_t level = HeadingLevel(paragraph);
  return level == 0 ? std::string_view() : TrimSpace(paragraph.substr(level));
}

}  // namespace

size_t HeadingLevel(std::string_view paragraph) {
  const size_t level = paragraph.find_first_not_of('#');
  return level != std::string_view::npos && level >= 1 && level <= 6 && paragraph[level] == ' '
             ? level
             : 0;
}

std::string_view TrimSpace(std::string_view text) { return TrimBack(TrimFront(text)); }

std::vector<std::string> SplitParagraphs(std::string_view text) {
  std::vector<std::string> paragraphs;
  text = TrimSpace(text);
  while (!text.empty() && paragraphs.size() < kMaxParagraphs) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = TrimFront(text.substr(0, end));
    while (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) paragraphs.emplace_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return paragraphs;
}

Title TitleOf(std::span<const std::string> paragraphs, std::string_view instruction) {
  if (!paragraphs.empty()) {
    const std::string_view heading = HeadingIn(paragraphs.front());
    if (!heading.empty()) return {FirstCharacters(heading, kMaxTitleCharacters), true};
  }
  instruction = TrimSpace(instruction);
  return {FirstCharacters(TrimSpace(instruction.substr(0, instruction.find('\n'))),
                          kMaxTitleCharacters),
          false};
}

std::string WithLanguage(std::string_view instruction, std::string_view language) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kNames = {
      {{"ar", "Arabic"},
       {"de", "German"},
       {"en", "English"},
       {"es", "Spanish"},
       {"fr", "French"},
       {"hi", "Hindi"},
       {"it", "Italian"},
       {"ja", "Japanese"},
       {"ko", "Korean"},
       {"pt", "Portuguese"},
       {"ru", "Russian"},
       {"zh", "Chinese"}}};
  if (language.empty()) return std::string(instruction);
  const std::string_view primary = language.substr(0, language.find('-'));
  const auto name =
      std::ranges::find(kNames, primary, &std::pair<std::string_view, std::string_view>::first);
  return fmt::format("{}\nWrite in {}.",
                     instruction,
                     name != kNames.end() ? std::string(name->second)
                                          : fmt::format("the language '{}'", language));
}

bool IsLanguageTag(std::string_view language) {
  constexpr size_t kLongest = 35;  // RFC 5646, section 4.4.1
  const auto allowed = [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  };
  return !language.empty() && language.size() <= kLongest && std::ranges::all_of(language, allowed);
}

std::string FirstCharacters(std::string_view text, size_t count) {
  size_t end = 0;
  while (count-- > 0 && end < text.size()) end += StepUtf8(text.substr(end)).bytes;
  return std::string(text.substr(0, end));
}

}  // namespace triptych::router
