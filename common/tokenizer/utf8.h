#pragma once

#include <cstddef>
#include <string_view>

namespace triptych {

// What stands at the front of some bytes.
struct Utf8Step {
  enum class Kind { kCharacter, kInvalid, kUnfinished };
  Kind kind;
  size_t bytes;  // of the character, of the maximal invalid subpart (Unicode 15, section 3.9), or of all that is there
};

// `bytes` is not empty. kUnfinished: a beginning that more bytes may complete.
Utf8Step StepUtf8(std::string_view bytes);

bool IsValidUtf8(std::string_view text);

}  // namespace triptych
