#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/ids.h"

namespace triptych {

// SHA-256 over typed fields: each is hashed with its length in front, so that no two lists of fields give the same bytes.
class FieldHasher {
 public:
  explicit FieldHasher(std::string_view domain);
  FieldHasher& Bytes(std::span<const uint8_t> bytes);
  FieldHasher& Text(std::string_view text);
  FieldHasher& Number(uint64_t value);
  Sha256Digest Finish();  // once

  ~FieldHasher();
  FieldHasher(const FieldHasher&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

Sha256Digest Sha256(std::span<const uint8_t> bytes);  // plain SHA-256 of a file's bytes
std::string ToHex(std::span<const uint8_t> bytes);
std::optional<Sha256Digest> Sha256FromHex(std::string_view hex);  // exactly 64 hex digits

// The embedding key of a picture: (tenant salt, model card digest, image digest, max_tiles).
EmbeddingKey MakeEmbeddingKey(std::string_view salt,
                              const Sha256Digest& card_digest,
                              const Sha256Digest& image_digest,
                              int32_t max_tiles);

}  // namespace triptych
