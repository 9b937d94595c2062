#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

namespace triptych {

// A token id in bookkeeping; kImageRow stands where an embedding row is spliced in.
using TokenId = int32_t;
inline constexpr TokenId kImageRow = -1;
inline constexpr int kBlockTokens = 16;  // tokens of one KV block, and of one link of the prefix-hash chain

using Sha256Digest = std::array<uint8_t, 32>;

// Names one picture's embedding: SHA-256 over typed fields (tenant salt, model, image digest, max_tiles), see
// common/hash/embedding_key.h. Two tenants never share a key.
struct EmbeddingKey {
  Sha256Digest digest{};
  auto operator<=>(const EmbeddingKey&) const = default;
};

// Where in a token sequence a picture's rows stand: positions [start, start + rows).
struct ImageSpan {
  int32_t start = 0;
  int32_t rows = 0;
  int32_t image = 0;  // index into the request's pictures
  auto operator<=>(const ImageSpan&) const = default;
};

}  // namespace triptych

template <>
struct std::hash<triptych::EmbeddingKey> {
  size_t operator()(const triptych::EmbeddingKey& key) const noexcept {
    size_t value = 0;
    for (size_t i = 0; i < sizeof(value); ++i) value = value << 8 | key.digest[i];  // already uniform
    return value;
  }
};
