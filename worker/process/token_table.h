#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/status.h"
#include "worker/weights/weight_loader.h"

namespace triptych::worker {

// A model's table of token embeddings, read where it is stored: only the rows that are asked for are
// touched. So a text's vector hangs on weights and tokenizer alone, not on device, dtype or number of
// ranks. Immutable, thread-safe; the loader outlives it.
class TokenTable {
 public:
  // kFailedPrecondition: the checkpoint has no such table, or several.
  static StatusOr<TokenTable> Open(const weights::WeightLoader* loader,
                                   int64_t vocab_size,
                                   int64_t hidden_size);

  // The mean of the tokens' rows: [hidden]. kInvalidArgument: no tokens, or one out of range.
  StatusOr<std::vector<float>> MeanOf(std::span<const TokenId> ids) const;

 private:
  TokenTable(const weights::WeightLoader* loader, std::string name, std::vector<int64_t> shape)
      : loader_(loader), name_(std::move(name)), shape_(std::move(shape)) {}

  const weights::WeightLoader* loader_;
  std::string name_;
  std::vector<int64_t> shape_;  // [vocab, hidden]
};

}  // namespace triptych::worker
