#include "common/text_file.h"
#include "common/tokenizer/pattern.h"

#include <chrono>

#include "common/json/json_config.h"
#include "common/tokenizer/oniguruma_syntax.h"
#include "common/tokenizer/unicode_additions.h"
#include "common/tokenizer/utf8.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> FindAll(const Pattern& pattern, std::string_view text) {
  std::vector<Pattern::Match> matches;
  pattern.FindAll(text, matches);
  std::vector<std::string> found;
  for (const Pattern::Match& match : matches) found.emplace_back(text.substr(match.begin, match.end - match.begin));
  return found;
}

std::vector<std::string> FindAll(std::string_view regex, std::string_view text) {
  auto pattern = Pattern::FromRegex(regex);
  EXPECT_TRUE(pattern.ok()) << Message(pattern.status());
  return FindAll(*pattern, text);
}

std::string Utf8(char32_t c) {
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
  if (c < 0x10000) return {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3f)), static_cast<char>(0x80 | (c & 0x3f))};
  return {static_cast<char>(0xf0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3f)), static_cast<char>(0x80 | (c >> 6 & 0x3f)),
          static_cast<char>(0x80 | (c & 0x3f))};
}

TEST(OnigurumaSyntax, RewritesWhatPcre2ReadsOtherwise) {
  EXPECT_EQ(*OnigurumaToPcre2(R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?!\S))"),
            R"( ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*|\p{White_Space}+(?!\P{White_Space}))");
  EXPECT_EQ(*OnigurumaToPcre2(R"(\d\D\v\u4e00\p{Han}\P{Greek}\\s\[\p{Lu}{1,3}x{2,}y{4})"),
            R"(\p{Nd}\P{Nd}\x0b\x{4e00}\p{sc:Han}\P{sc:Greek}\\s\[\p{Lu}{1,3}x{2,}y{4})");
  EXPECT_EQ(*OnigurumaToPcre2("(?i:'s|é)|(a)(?:b)(?=c)(?!d)(?>e)(?<=f)(?<!g)"), "(?i:'s|é)|(a)(?:b)(?=c)(?!d)(?>e)(?<=f)(?<!g)");
}

TEST(OnigurumaSyntax, RefusesTheRestByName) {
  for (const auto& [regex, named] : std::vector<std::pair<const char*, const char*>>{
           {R"(a\w)", R"('\w')"},     {R"(\bx)", R"('\b')"},    {R"((a)\1)", R"('\1')"},    {R"(\h)", R"('\h')"},
           {R"(\p{^L})", R"('\p{^L}')"}, {R"(\pL)", R"('\pL')"},   {R"(\x41)", R"('\x')"},     {R"(\u12)", R"('\u')"},
           {"^a", "'^'"},             {"a$", "'$'"},            {"[a[b]]", "'['"},          {"[a&&b]", "'&&'"},
           {"[]a]", "'[]'"},          {"[^]a]", "'[^]'"},       {"(?i)a", "'(?i)'"},        {"(?<n>a)", "'(?<n'"},
           {"(*FAIL)", "'(*'"},       {"a{,2}", "'{,2}"},       {"a{2}+", "'{2}+"},         {"a{2,3}?", "'{2,3}?"},
           {"a{b", "'{'"},            {"a\\", "a backslash"},  {"(?i:a)|Ss", "'ss' beside"}}) {
    EXPECT_THAT(std::string(Message(OnigurumaToPcre2(regex).status())), HasSubstr(named)) << regex;
  }
}

TEST(Pattern, FindsOneMatchAfterAnother) {
  EXPECT_THAT(FindAll("b+|c", "abbcbd"), ElementsAre("bb", "c", "b"));
  EXPECT_THAT(FindAll(R"(\s+(?!\S)|\s+)", "a   b "), ElementsAre("  ", " ", " "));
  EXPECT_THAT(FindAll("x", ""), IsEmpty());
  EXPECT_THAT(FindAll("(?i:'s)", "'s 'S 'ſ"), ElementsAre("'s", "'S", "'ſ"));
  EXPECT_THAT(FindAll(*Pattern::FromText("a.[b"), "a.[b axb a.[b"), ElementsAre("a.[b", "a.[b"));
}

TEST(Pattern, WhatCannotBeOneIsRefused) {
  EXPECT_THAT(std::string(Message(Pattern::FromRegex("a*").status())), HasSubstr("match nothing"));
  EXPECT_THAT(std::string(Message(Pattern::FromRegex("(a").status())), HasSubstr("PCRE2"));
  EXPECT_THAT(std::string(Message(Pattern::FromRegex(R"(\p{Klingon})").status())), HasSubstr("PCRE2"));
  EXPECT_THAT(std::string(Message(Pattern::FromRegex(std::string(20'000, 'a')).status())), HasSubstr("at most"));
  EXPECT_THAT(std::string(Message(Pattern::FromText("").status())), HasSubstr("match nothing"));
}

// First and last characters of what the tokenizers library's classes match, over the whole of Unicode.
TEST(Pattern, ClassesHoldTheReferencesCharacters) {
  const auto all = nlohmann::json::parse(*ReadTextFile(std::string(TRIPTYCH_TEST_DATA) + "/../common/tokenizer/testdata/byte_bpe/cases.json"));
  std::string text;
  std::vector<char32_t> character_at;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    text += Utf8(c);
    character_at.resize(text.size(), c);
  }
  for (const auto& [regex, ranges] : all["classes"].items()) {
    std::vector<char32_t> expected, found;
    for (size_t i = 0; i < ranges.size(); i += 2) {
      for (char32_t c = ranges[i]; c <= ranges[i + 1].get<char32_t>(); ++c) {
        if (c < 0xd800 || c >= 0xe000) expected.push_back(c);
      }
    }
    std::vector<Pattern::Match> matches;
    Pattern::FromRegex(regex)->FindAll(text, matches);
    for (const Pattern::Match& match : matches) found.push_back(character_at[match.begin]);
    EXPECT_TRUE(found == expected) << regex;
  }
}

TEST(Pattern, BacktrackingWithoutEndIsGivenUp) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(FindAll("(?:a+)+b|c", std::string("c") + std::string(100, 'a') + "c"), ElementsAre("c"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

TEST(Pattern, LongMatchesNeedNoStack) {
  const std::string text(1 << 17, 'a');
  EXPECT_EQ(FindAll("(?:a|b)+", text).size(), 1u);
}

TEST(UnicodeAdditions, KeepTheNumberOfBytes) {
  EXPECT_FALSE(ReplaceAdditions("plain text, größer, 中文 😀 𠀀").has_value());
  const std::string text = "a\u1c89b\U00031350";
  const auto replaced = ReplaceAdditions(text);
  ASSERT_TRUE(replaced.has_value());
  EXPECT_EQ(replaced->size(), text.size());
  EXPECT_TRUE(IsValidUtf8(*replaced));
  EXPECT_EQ(*replaced, "a\u10a0b\U00020000");
}

}  // namespace
}  // namespace triptych
