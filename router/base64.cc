#include "router/base64.h"

#include <openssl/evp.h>

#include <array>
#include <cstdint>

namespace triptych::router {
namespace {

constexpr int8_t kNoDigit = -1;

constexpr std::array<int8_t, 256> MakeDigits() {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<int8_t, 256> digits{};
  digits.fill(kNoDigit);
  for (size_t i = 0; i < kAlphabet.size(); ++i)
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
  return digits;
}
constexpr std::array<int8_t, 256> kDigits = MakeDigits();

}  // namespace

std::string Base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  text.resize(length);
  return text;
}

std::optional<std::string> FromBase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  const std::string_view digits = text.substr(0, text.size() - padding);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  int count = 0;
  for (const unsigned char c : digits) {
    if (kDigits[c] == kNoDigit) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(kDigits[c]);
    if (++count < 4) continue;
    bytes += {static_cast<char>(bits >> 16), static_cast<char>(bits >> 8), static_cast<char>(bits)};
    bits = 0;
    count = 0;
  }
  const uint32_t unused = bits & (padding == 2 ? 0xf : padding == 1 ? 0x3 : 0);
  if (unused != 0) return std::nullopt;  // each text of bytes has one spelling
  if (count >= 2) bytes += static_cast<char>(bits >> (6 * count - 8));
  if (count == 3) bytes += static_cast<char>(bits >> 2);
  return bytes;
}

}  // namespace triptych::router
