#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace triptych {

// Debian's PCRE2 knows Unicode 14, the tokenizers library's Oniguruma Unicode 16 (its digits: 17), and what is a letter to one and unassigned to
// the other is cut in different places. So PCRE2 sees each newer character as an older one of the same general category and number of
// bytes; of scripts only Han is kept. Nothing: `text`, which is valid UTF-8, has no newer character.
std::optional<std::string> ReplaceAdditions(std::string_view text);

}  // namespace triptych
