#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/string_map.h"
#include "common/tokenizer/added_tokens.h"
#include "common/tokenizer/byte_bpe_encoder.h"
#include "common/tokenizer/pre_tokenizer.h"
#include "common/tokenizer/tokenizer.h"
#include "common/tokenizer/tokenizer_json.h"

namespace triptych {

// Byte-level BPE as GPT-2 and many after it use it, id for id what the tokenizers library makes of the same tokenizer.json. Added tokens are cut
// out first, those that are special in trusted text alone; what lies between them is pre-tokenised and merged.
class ByteBpeTokenizer final : public Tokenizer {
 public:
  // Reads tokenizer.json and, where it is there, tokenizer_config.json.
  static StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& model_dir);

  explicit ByteBpeTokenizer(TokenizerJson json);

  using Tokenizer::Encode;
  std::vector<TokenId> Encode(std::span<const TextRun> runs) const override;
  std::string Bytes(TokenId id) const override;
  int32_t vocab_size() const override { return static_cast<int32_t>(bytes_.size()); }
  TokenId bos() const override { return bos_; }
  TokenId eos() const override { return eos_; }
  TokenId SpecialId(std::string_view spelling) const override;

 private:
  void IndexModel(const ByteBpeModel& model);
  void IndexAdded(const std::vector<AddedToken>& added_tokens);
  std::string& BytesAt(TokenId id);

  ByteBpeEncoder encoder_;
  PreTokenizer pre_tokenizer_;
  AddedTokens added_tokens_;
  std::vector<std::string> bytes_;  // by id: what it stands for in running text
  StringMap<TokenId> special_;      // by spelling
  TokenId bos_, eos_;
};

}  // namespace triptych
