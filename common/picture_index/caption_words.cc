#include "common/picture_index/caption_words.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <string>
#include <vector>

#include "common/tokenizer/utf8.h"

namespace triptych {
namespace {

struct Range {
  uint32_t first, last;
};
// Thai and Lao, Burmese, Khmer, kana, bopomofo, Han.
constexpr Range kUnspaced[] = {{0x0e00, 0x0eff},
                               {0x1000, 0x109f},
                               {0x1780, 0x17ff},
                               {0x3040, 0x312f},
                               {0x31f0, 0x31ff},
                               {0x3400, 0x4dbf},
                               {0x4e00, 0x9fff},
                               {0xf900, 0xfaff},
                               {0xff66, 0xff9f},
                               {0x20000, 0x3ffff}};

uint32_t CodePoint(std::string_view character) {
  constexpr uint32_t kLeadBits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  uint32_t value = static_cast<unsigned char>(character[0]) & kLeadBits[character.size()];
  for (size_t i = 1; i < character.size(); ++i)
    value = value << 6 | (static_cast<unsigned char>(character[i]) & 0x3f);
  return value;
}

bool IsUnspaced(uint32_t point) {
  return std::ranges::any_of(kUnspaced, [point](const Range& range) {
    return point >= range.first && point <= range.last;
  });
}

bool IsAsciiWord(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// English words that say nothing of what is to be seen. In short captions they are rare, so that a ranking by rarity would take them for the
// most telling ones.
bool IsFunctionWord(std::string_view word) {
  static constexpr std::string_view kWords[] = {
      "a",    "an", "and", "are", "as", "at",   "be",  "but", "by",   "for",  "from", "has",  "have", "he",   "her", "his", "in",  "into", "is",
      "it",   "its", "of", "on",  "or", "she",  "so",  "that", "the", "their", "them", "then", "they", "this", "to",  "was", "we",  "were", "with"};
  std::string lower(word);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return c < 0x80 ? std::tolower(c) : c; });
  return std::ranges::binary_search(kWords, lower);
}

// One run of a script without spaces, as pairs of its characters.
void AddPairs(const std::vector<std::string_view>& run, std::string& words) {
  if (run.size() == 1) words.append(" ").append(run[0]).append(" ");
  for (size_t i = 0; i + 1 < run.size(); ++i)
    words.append(" ").append(run[i]).append(run[i + 1]).append(" ");
}

// At most 64 of those with spaces between.
std::vector<std::string> SplitWords(std::string_view text) {
  constexpr size_t kMaxWords = 64;
  std::vector<std::string> words;
  for (size_t at = text.find_first_not_of(' '); at != std::string_view::npos && words.size() < kMaxWords;
       at = text.find_first_not_of(' ', at)) {
    const size_t end = std::min(text.find(' ', at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

}  // namespace

std::string CaptionWords(std::string_view text) {
  std::string words;
  std::vector<std::string_view> run;
  const auto flush = [&] {
    AddPairs(run, words);
    run.clear();
  };
  while (!text.empty()) {
    const Utf8Step step = StepUtf8(text);
    const std::string_view character = text.substr(0, step.bytes);
    text.remove_prefix(step.bytes);
    const bool valid = step.kind == Utf8Step::Kind::kCharacter;
    if (valid && character.size() > 1 && IsUnspaced(CodePoint(character))) {
      run.push_back(character);
      continue;
    }
    flush();
    const bool stays =
        valid && (character.size() > 1 || IsAsciiWord(static_cast<unsigned char>(character[0])));
    words += stays ? character : std::string_view(" ");
  }
  flush();
  return words;
}

std::string CaptionQuery(std::string_view text) {
  std::string query;
  for (const std::string& word : SplitWords(CaptionWords(text))) {
    if (!IsFunctionWord(word)) query.append(query.empty() ? "\"" : " OR \"").append(word).append("\"");
  }
  return query;
}

std::string VectorWords(std::string_view text) {
  std::string plain(text);
  std::ranges::transform(plain, plain.begin(), [](unsigned char c) {
    if (c >= 0x80) return static_cast<char>(c);
    return IsAsciiWord(c) ? static_cast<char>(std::tolower(c)) : ' ';
  });
  std::vector<std::string> words = SplitWords(plain);
  if (!std::ranges::all_of(words, IsFunctionWord)) std::erase_if(words, IsFunctionWord);
  std::string joined;
  for (const std::string& word : words) joined.append(" ").append(word);
  return joined;
}

}  // namespace triptych
