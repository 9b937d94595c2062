#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "common/tokenizer/pattern.h"

namespace triptych {

// Cuts a text into the pieces that byte-level BPE encodes one by one, as the tokenizers library's pre-tokenisers do: any number of Split rules
// (Digits is one), each on the pieces of the one before, and ByteLevel at the end. Immutable, thread-safe.
class PreTokenizer {
 public:
  // What becomes of a match: it is dropped, a piece, or part of the piece before, of the one after, or of the matches beside it.
  enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
  struct Rule {
    Pattern pattern;
    Behavior behavior = Behavior::kIsolated;
    bool inverted = false;  // what does not match counts as matches
  };
  struct ByteLevel {
    bool add_prefix_space = true;  // in front of each piece that does not begin with one
    bool use_regex = true;         // GPT-2's pattern cuts
  };

  PreTokenizer(std::vector<Rule> rules, const ByteLevel& byte_level);

  // Calls `take` with each piece in order; a piece lives as long as that call.
  using Taker = std::function<void(std::string_view piece)>;
  void Split(std::string_view text, const Taker& take) const;

 private:
  void Apply(size_t rule, std::string_view text, const Taker& take) const;
  void ApplyByteLevel(std::string_view text, const Taker& take) const;

  std::vector<Rule> rules_;
  bool add_prefix_space_;
  std::optional<Rule> last_;  // ByteLevel's
};

}  // namespace triptych
