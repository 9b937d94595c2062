#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "common/string_map.h"
#include "common/tokenizer/sentencepiece_model.h"

namespace triptych {

// SentencePiece's BPE segmentation (Kudo and Richardson, arXiv 1808.06226; the greedy merges of Sennrich et al., arXiv 1508.07909, in the order
// of the pieces' scores), id for id what the library gives. Our own, because Debian's library carries an old protobuf that
// cannot live in one process with gRPC (docs/dependencies.md); the library is the reference of the tests. Immutable, thread-safe.
class SentencePieceEncoder {
 public:
  // kFailedPrecondition names the piece that is missing or given twice.
  static StatusOr<SentencePieceEncoder> Make(const SentencePieceModel& model);

  // `text` is valid UTF-8.
  std::vector<int32_t> Encode(std::string_view text) const;

 private:
  struct Piece {
    int32_t id;
    float score;
    bool unused;
  };
  class Merger;

  std::string Normalize(std::string_view text) const;
  size_t UserDefinedBytes(std::string_view text) const;  // at the front; 0: none
  void Emit(std::string_view piece, std::vector<int32_t>& ids) const;

  StringMap<Piece> pieces_;  // normal, user-defined and unused ones
  StringSet user_defined_;
  std::vector<size_t> user_defined_sizes_;       // distinct, longest first
  std::array<bool, 256> starts_user_defined_{};  // by first byte
  size_t longest_piece_ = 0;
  std::array<int32_t, 256> byte_ids_{};
  bool byte_fallback_ = false;
  bool add_dummy_prefix_ = true;
  bool remove_extra_whitespaces_ = true;
  int32_t unknown_ = -1;
};

}  // namespace triptych
