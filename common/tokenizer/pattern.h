#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "common/status.h"

struct pcre2_real_code_8;
struct pcre2_real_match_context_8;

namespace triptych {

// What a pre-tokeniser looks for in a text: a regular expression or a fixed text, run by PCRE2 as the tokenizers library's Oniguruma runs it
// (oniguruma_syntax.h, unicode_additions.h). Immutable, thread-safe.
class Pattern {
 public:
  struct Match {
    size_t begin;
    size_t end;
  };

  // kFailedPrecondition for what does not compile, reads otherwise in PCRE2, or may match nothing at all.
  static StatusOr<Pattern> FromRegex(std::string_view regex);
  static StatusOr<Pattern> FromText(std::string_view text);  // which is not empty

  // Appends the matches in order; each is searched where the one before it ends. `text` is valid UTF-8. Where backtracking takes more than a
  // hundred million steps or 256 MiB the rest of the text counts as free of matches.
  void FindAll(std::string_view text, std::vector<Match>& matches) const;

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
    void operator()(pcre2_real_match_context_8* context) const;
  };

  Pattern() = default;
  static StatusOr<Pattern> Compile(std::string_view pattern, uint32_t options);

  std::unique_ptr<pcre2_real_code_8, Free> code_;
  std::unique_ptr<pcre2_real_match_context_8, Free> limits_;
};

}  // namespace triptych
