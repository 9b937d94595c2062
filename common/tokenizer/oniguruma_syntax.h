#pragma once

#include <string>
#include <string_view>

#include "common/status.h"

namespace triptych {

// Rewrites a regular expression of a tokenizer.json for PCRE2. The tokenizers library runs them by Oniguruma, in Ruby's syntax. What the two read
// alike stays; what they read in different ways is rewritten (\s, \d, \v, \uXXXX, \p{Han}) or refused by name (anchors, \w, \b, \h, references,
// names, flags except (?i:...), sets within sets, possessive and lazy intervals). kFailedPrecondition.
StatusOr<std::string> OnigurumaToPcre2(std::string_view regex);

}  // namespace triptych
