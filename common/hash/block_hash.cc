#include "common/hash/block_hash.h"

#include <algorithm>
#include <cstring>

#include <xxhash.h>

#include "common/check.h"

namespace triptych {
namespace {

// The bytes of one link: previous, ids, then key and place of each picture that starts in the block. At most one picture starts on each
// position, so the buffer is bounded; most blocks have none.
class LinkBytes {
 public:
  template <typename T>
  void Add(const T& value) {
    static_assert(std::has_unique_object_representations_v<T>);
    const size_t old = bytes_.size();
    bytes_.resize(old + sizeof(T));
    std::memcpy(bytes_.data() + old, &value, sizeof(T));
  }
  uint64_t Hash() const { return XXH3_64bits(bytes_.data(), bytes_.size()); }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace

uint64_t FirstLink(std::string_view salt) { return XXH3_64bits(salt.data(), salt.size()); }

uint64_t NextBlockHash(uint64_t previous,
                       std::span<const TokenId> block,
                       int32_t first_position,
                       std::span<const KeyedSpan> images) {
  TRIPTYCH_CHECK(block.size() == static_cast<size_t>(kBlockTokens));
  LinkBytes bytes;
  bytes.Add(previous);
  for (const TokenId id : block) bytes.Add(id);
  const auto first = std::ranges::lower_bound(images, first_position, {}, &KeyedSpan::start);
  for (auto image = first; image != images.end() && image->start < first_position + kBlockTokens; ++image) {
    bytes.Add(image->start - first_position);
    bytes.Add(image->rows);
    bytes.Add(image->key.digest);
  }
  return bytes.Hash();
}

std::vector<uint64_t> BlockHashes(std::string_view salt, std::span<const TokenId> ids, std::span<const KeyedSpan> images) {
  std::vector<uint64_t> hashes;
  uint64_t link = FirstLink(salt);
  for (size_t begin = 0; begin + kBlockTokens <= ids.size(); begin += kBlockTokens) {
    link = NextBlockHash(link, ids.subspan(begin, kBlockTokens), static_cast<int32_t>(begin), images);
    hashes.push_back(link);
  }
  return hashes;
}

}  // namespace triptych
