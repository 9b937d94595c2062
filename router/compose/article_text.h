#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace triptych::router {

// Texts of articles as UTF-8; nothing here fails, whatever a model has written.

inline constexpr size_t kMaxParagraphs = 60;  // as in the published demonstrations

// The lines that are not blank, without the white space before them (and behind the last), at most
// kMaxParagraphs.
std::vector<std::string> SplitParagraphs(std::string_view text);

// What the article is called: its first paragraph where that is a heading ("# ...", "Title: ...",
// "标题：..."), else the instruction's first line, cut to 120 characters.
struct Title {
  std::string text;
  bool is_first_paragraph = false;
};
Title TitleOf(std::span<const std::string> paragraphs, std::string_view instruction);

// The instruction with a wish for a language (BCP 47) behind it; as it is where there is none.
std::string WithLanguage(std::string_view instruction, std::string_view language);
// Letters, digits and hyphens, 1 to 35 of them.
bool IsLanguageTag(std::string_view language);

// How many # a Markdown heading begins with, 1 to 6; 0: no heading.
size_t HeadingLevel(std::string_view paragraph);
std::string_view TrimSpace(std::string_view text);  // ASCII's, no-break and ideographic space
// At most so many characters of valid UTF-8.
std::string FirstCharacters(std::string_view text, size_t count);

}  // namespace triptych::router
