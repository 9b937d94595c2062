#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/limits.h"
#include "common/status.h"
#include "triptych/internal/v1/decoder.pb.h"
#include "worker/engine/request.h"

namespace triptych::worker {

// What a StartDecode is checked against: this worker and its model.
struct DecoderTraits {
  uint64_t incarnation = 0;
  internal::v1::ModelIdentity identity;
  int32_t vocab_size = 0;
  int32_t context_tokens = 0;
  TokenId bos = 1;  // -1: the tokenizer adds none
  std::vector<std::string> adapters;  // the card's: a request's is known by its place; empty: none
  RequestLimits limits;
};

// Makes the engine's request of the router's message. Routers check requests before they send them, yet nothing here trusts that:
// kUnavailable for another incarnation, kFailedPrecondition for another numeric identity, kInvalidArgument for anything out of range.
StatusOr<std::unique_ptr<engine::Request>> BuildRequest(const internal::v1::StartDecode& start,
                                                        const DecoderTraits& traits);

// The 32 bytes of an embedding key; kInvalidArgument for any other length.
StatusOr<EmbeddingKey> ParseEmbeddingKey(const std::string& bytes);

}  // namespace triptych::worker
