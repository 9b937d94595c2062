#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace triptych::router {

// RFC 4648, section 4: the standard alphabet, padded.
std::string Base64(std::string_view bytes);
// Nothing where the text is anything else: other characters, white space, no or wrong padding.
std::optional<std::string> FromBase64(std::string_view text);

}  // namespace triptych::router
