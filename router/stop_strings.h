#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace triptych::router {

// Looks for stop strings in one sequence's text as it comes, and holds back what may be the beginning of one. The first stop string
// to be complete ends the text, at its own start; of two complete at the same byte, the longer. How the text is cut into portions
// changes nothing. One sequence's own, no thread safety.
class StopStrings {
 public:
  // Non-empty valid UTF-8, so that what is held back always starts at a whole character.
  explicit StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  struct Result {
    std::string text;                 // certain now
    std::optional<std::string> stop;  // the stop string that ended the text; nothing is to be fed after it
  };
  // Unarmed (below min_new_tokens) a complete stop string is text like any other.
  Result Feed(std::string_view text, bool armed);
  // What was held back, at the end of a sequence that no stop string ended.
  std::string Flush();

 private:
  const std::string* CompleteAtEnd() const;
  size_t HeldBytes() const;

  const std::vector<std::string> stops_;
  std::string pending_;  // text that is not given out yet
};

}  // namespace triptych::router
