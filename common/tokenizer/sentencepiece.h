#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/string_map.h"
#include "common/tokenizer/sentencepiece_encoder.h"
#include "common/tokenizer/sentencepiece_model.h"
#include "common/tokenizer/tokenizer.h"

namespace triptych {

// SentencePiece as the InternLM family uses it. Three kinds of special spellings:
//   - user-defined pieces in brackets ([UNUSED_TOKEN_145]) are matched by SentencePiece in any text, so in untrusted text the spelling is
//     broken in two before SentencePiece sees it;
//   - <s>, </s>, <unk> are never matched by SentencePiece; in trusted text they are cut out first, with white space beside
//     them, as transformers' slow tokenizer does;
//   - other user-defined pieces are plain characters (full-width letters, for example) and stay what they are.
class SentencePieceTokenizer final : public Tokenizer {
 public:
  static StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& path);

  using Tokenizer::Encode;
  std::vector<TokenId> Encode(std::span<const TextRun> runs) const override;
  std::string Bytes(TokenId id) const override;
  int32_t vocab_size() const override { return static_cast<int32_t>(bytes_.size()); }
  TokenId bos() const override { return bos_; }
  TokenId eos() const override { return eos_; }
  TokenId SpecialId(std::string_view spelling) const override;

 private:
  explicit SentencePieceTokenizer(SentencePieceEncoder encoder) : encoder_(std::move(encoder)) {}
  void Index(const std::vector<SentencePieceEntry>& entries);
  void EncodePlain(std::string_view text, std::vector<TokenId>& ids) const;

  SentencePieceEncoder encoder_;
  std::vector<std::string> bytes_;        // by id: what it stands for in running text
  StringMap<TokenId> bracketed_;          // user-defined pieces in brackets
  StringMap<TokenId> controls_;           // <s>, </s>, <unk>
  size_t longest_bracketed_ = 0;
  TokenId bos_ = -1, eos_ = -1;
  // The reference's newer SentencePiece takes no piece for NUL and falls back to its byte.
  TokenId nul_piece_ = -1, nul_byte_ = -1;
};

}  // namespace triptych
