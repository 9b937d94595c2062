#pragma once

#include <string>
#include <string_view>

namespace triptych {

// A text in any language as words with spaces between, for SQLite's full-text index: scripts that
// put no spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) become overlapping
// pairs of characters, everything that is no letter or digit of ASCII becomes a space. Other
// scripts stay as they are: the index folds case and accents.
std::string CaptionWords(std::string_view text);

// The words as an FTS5 query that matches captions with any of them but English function words; empty where there is none. At
// most 64 words.
std::string CaptionQuery(std::string_view text);

// What of a text makes its vector: its words in small letters, each with a space before it, without English function words as long as
// others are there. At most 64 words. Empty where there is none. Vectors of texts that were prepared in another way are of another space.
std::string VectorWords(std::string_view text);

}  // namespace triptych
