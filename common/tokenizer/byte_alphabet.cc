#include "common/tokenizer/byte_alphabet.h"

#include <array>

namespace triptych {
namespace {

constexpr int kFirstSubstitute = 0x100;

// Bytes that are printable as Latin-1 are their own characters.
constexpr bool IsPrintable(int byte) { return (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad); }

struct Alphabet {
  std::array<uint16_t, 256> character_of{};
  std::array<int16_t, 0x144> byte_of{};
};

constexpr Alphabet MakeAlphabet() {
  Alphabet alphabet;
  for (int16_t& byte : alphabet.byte_of) byte = -1;
  int next_substitute = kFirstSubstitute;
  for (int byte = 0; byte < 256; ++byte) {
    const int character = IsPrintable(byte) ? byte : next_substitute++;
    alphabet.character_of[byte] = static_cast<uint16_t>(character);
    alphabet.byte_of[character] = static_cast<int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = MakeAlphabet();

}  // namespace

std::string SpellByte(uint8_t byte) {
  const int character = kAlphabet.character_of[byte];
  if (character < 0x80) return std::string(1, static_cast<char>(character));
  return {static_cast<char>(0xc0 | character >> 6), static_cast<char>(0x80 | (character & 0x3f))};
}

std::optional<std::string> BytesOfSpelling(std::string_view token) {
  std::string bytes;
  for (size_t i = 0; i < token.size(); ++i) {
    size_t character = static_cast<uint8_t>(token[i]);
    if (character >= 0x80) {  // two bytes of UTF-8: no character of the alphabet has more
      if (character < 0xc2 || character > 0xdf || i + 1 == token.size()) return std::nullopt;
      character = (character & 0x1f) << 6 | (static_cast<uint8_t>(token[++i]) & 0x3f);
    }
    if (character >= kAlphabet.byte_of.size() || kAlphabet.byte_of[character] < 0) return std::nullopt;
    bytes += static_cast<char>(kAlphabet.byte_of[character]);
  }
  return bytes;
}

}  // namespace triptych
