#pragma once

#include <string_view>
#include <vector>

#include "common/status.h"
#include "common/tokenizer/added_tokens.h"
#include "common/tokenizer/byte_bpe_model_json.h"
#include "common/tokenizer/pre_tokenizer.h"

namespace triptych {

// What a tokenizer.json of the tokenizers library says, as far as byte-level BPE goes.
struct TokenizerJson {
  ByteBpeModel model;
  std::vector<AddedToken> added_tokens;
  PreTokenizer pre_tokenizer;
  TokenId bos = -1;  // what is put in front of a text: by the post-processor, unless a tokenizer_config.json says otherwise
  TokenId eos = -1;  // a tokenizer_config.json alone names it

  TokenId IdOf(std::string_view spelling) const;  // of any token; -1: there is none
};

// kFailedPrecondition names the file and the key of whatever is malformed or not supported: normalizers, truncation, padding, decoders other than
// ByteLevel, post-processors that add more than one token in front, added tokens that take the space beside them, keys that are not known.
StatusOr<TokenizerJson> ReadTokenizerJson(std::string_view text, const std::string& file);

}  // namespace triptych
