#include "common/hash/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <charconv>

#include "common/check.h"

namespace triptych {

struct FieldHasher::Impl {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~Impl() { EVP_MD_CTX_free(context); }
  void Update(const void* data, size_t size) { TRIPTYCH_CHECK(EVP_DigestUpdate(context, data, size) == 1); }
};

FieldHasher::FieldHasher(std::string_view domain) : impl_(std::make_unique<Impl>()) {
  TRIPTYCH_CHECK(EVP_DigestInit_ex(impl_->context, EVP_sha256(), nullptr) == 1);
  Text(domain);
}

FieldHasher::~FieldHasher() = default;

FieldHasher& FieldHasher::Bytes(std::span<const uint8_t> bytes) {
  Number(bytes.size());
  impl_->Update(bytes.data(), bytes.size());
  return *this;
}

FieldHasher& FieldHasher::Text(std::string_view text) {
  return Bytes({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

FieldHasher& FieldHasher::Number(uint64_t value) {
  std::array<uint8_t, 8> little_endian;
  for (uint8_t& byte : little_endian) {
    byte = static_cast<uint8_t>(value);
    value >>= 8;
  }
  impl_->Update(little_endian.data(), little_endian.size());
  return *this;
}

Sha256Digest FieldHasher::Finish() {
  Sha256Digest digest;
  TRIPTYCH_CHECK(EVP_DigestFinal_ex(impl_->context, digest.data(), nullptr) == 1);
  return digest;
}

Sha256Digest Sha256(std::span<const uint8_t> bytes) {
  Sha256Digest digest;
  TRIPTYCH_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
  return digest;
}

std::string ToHex(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const uint8_t byte : bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

std::optional<Sha256Digest> Sha256FromHex(std::string_view hex) {
  Sha256Digest digest;
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (size_t i = 0; i < digest.size(); ++i) {
    const char* const begin = hex.data() + 2 * i;
    const auto [end, error] = std::from_chars(begin, begin + 2, digest[i], 16);
    if (error != std::errc() || end != begin + 2) return std::nullopt;
  }
  return digest;
}

EmbeddingKey MakeEmbeddingKey(std::string_view salt,
                              const Sha256Digest& card_digest,
                              const Sha256Digest& image_digest,
                              int32_t max_tiles) {
  FieldHasher hasher("triptych embedding 1");
  hasher.Text(salt).Bytes(card_digest).Bytes(image_digest).Number(static_cast<uint64_t>(max_tiles));
  return {hasher.Finish()};
}

}  // namespace triptych
