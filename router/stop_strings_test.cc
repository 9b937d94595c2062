#include "router/stop_strings.h"

#include <random>

#include "gtest/gtest.h"

namespace triptych::router {
namespace {

struct Outcome {
  std::string text;
  std::string stop;
  bool operator==(const Outcome&) const = default;
};

Outcome Scan(const std::vector<std::string>& stops, const std::vector<std::string>& portions) {
  StopStrings scanner(stops);
  Outcome outcome;
  for (const std::string& portion : portions) {
    const StopStrings::Result result = scanner.Feed(portion, /*armed=*/true);
    outcome.text += result.text;
    if (!result.stop) continue;
    outcome.stop = *result.stop;
    return outcome;
  }
  outcome.text += scanner.Flush();
  return outcome;
}

TEST(StopStrings, WithoutAnyTextPassesAtOnce) {
  StopStrings scanner({});
  EXPECT_EQ(scanner.Feed("abc", true).text, "abc");
  EXPECT_EQ(scanner.Flush(), "");
}

TEST(StopStrings, HoldsBackOnlyWhatMayBeABeginning) {
  StopStrings scanner({"STOP"});
  EXPECT_EQ(scanner.Feed("go on ST", true).text, "go on ");
  EXPECT_EQ(scanner.Feed("AY S", true).text, "STAY ");
  EXPECT_EQ(scanner.Flush(), "S");
}

TEST(StopStrings, TheStopStringIsNotInTheText) {
  EXPECT_EQ(Scan({"\n\n"}, {"one\n", "\ntwo"}), (Outcome{"one", "\n\n"}));
}

TEST(StopStrings, TheFirstToBeCompleteCountsAndThenTheLonger) {
  EXPECT_EQ(Scan({"bcd", "c"}, {"abcd"}), (Outcome{"ab", "c"}));
  EXPECT_EQ(Scan({"c", "abc"}, {"xabc"}), (Outcome{"x", "abc"}));
}

TEST(StopStrings, RestartsInsideItself) { EXPECT_EQ(Scan({"aab"}, {"a", "a", "a", "b"}), (Outcome{"a", "aab"})); }

TEST(StopStrings, HoldsWholeCharacters) {
  StopStrings scanner({"日本"});
  EXPECT_EQ(scanner.Feed("今日", true).text, "今");
  EXPECT_EQ(scanner.Feed("は", true).text, "日は");
}

TEST(StopStrings, UnarmedItIsText) {
  StopStrings scanner({"x"});
  EXPECT_EQ(scanner.Feed("axb", false).text, "axb");
  EXPECT_EQ(scanner.Feed("cxd", true).text, "c");
}

TEST(StopStrings, PortionsChangeNothing) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const auto letters = [&](size_t n) {
      std::string text;
      for (size_t i = 0; i < n; ++i) text.push_back(static_cast<char>('a' + random() % 2));
      return text;
    };
    std::vector<std::string> stops;
    for (size_t i = 0; i < 1 + random() % 3; ++i) stops.push_back(letters(3 + random() % 4));
    const std::string text = letters(random() % 40);
    std::vector<std::string> portions;
    for (size_t at = 0; at < text.size();) {
      const size_t n = std::min<size_t>(1 + random() % 7, text.size() - at);
      portions.push_back(text.substr(at, n));
      at += n;
    }
    EXPECT_EQ(Scan(stops, portions), Scan(stops, {text})) << text;
  }
}

}  // namespace
}  // namespace triptych::router
