#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace triptych {

// GPT-2's alphabet: one printable character for each byte. Byte-level vocabularies are spelled in it; a space, for one, is U+0120.
std::string SpellByte(uint8_t byte);

// The bytes that a token spells; nothing if one of its characters is not of the alphabet.
std::optional<std::string> BytesOfSpelling(std::string_view token);

}  // namespace triptych
