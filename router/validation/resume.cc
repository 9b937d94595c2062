#include "router/validation/resume.h"

#include <algorithm>

#include "router/validation/field_error.h"

namespace triptych::router {
namespace {

Status CheckSequence(const v1::Received& received,
                     const v1::GenerateRequest& request,
                     const ModelCard& card) {
  const uint32_t max_new = request.stopping().max_new_tokens();
  const uint32_t most = max_new != 0 ? max_new : static_cast<uint32_t>(card.context_tokens());
  TRIPTYCH_RETURN_IF_ERROR(CheckCount("resume.token_ids", received.token_ids_size(), most));
  for (uint32_t id : received.token_ids()) {
    if (id < static_cast<uint32_t>(card.vocab_size())) continue;
    return BadField(
        "TOKEN_ID", "resume.token_ids", "token ids lie below {}, got {}", card.vocab_size(), id);
  }
  return OkStatus();
}

Status CheckResumable(const v1::Sampling& sampling) {
  if (sampling.num_beams() > 1) {
    return BadField(
        "CONTRADICTION", "resume", "beam search streams nothing before its end: start it anew");
  }
  if (sampling.temperature() != 0 && !sampling.has_seed()) {
    return BadField(
        "SEED_NEEDED", "sampling.seed", "a sampled stream is resumed with the seed of its Started");
  }
  return OkStatus();
}

}  // namespace

StatusOr<std::vector<ReceivedSequence>> CheckResume(const v1::GenerateRequest& request,
                                                    const ModelCard& card) {
  std::vector<ReceivedSequence> sequences;
  if (request.resume().empty()) return sequences;
  TRIPTYCH_RETURN_IF_ERROR(CheckResumable(request.sampling()));
  const uint32_t n = std::max(1u, request.sampling().n());
  std::vector<bool> seen(n, false);
  sequences.resize(n);
  for (const v1::Received& received : request.resume()) {
    if (received.sequence() >= n || seen[received.sequence()]) {
      return BadField("SEQUENCE",
                      "resume.sequence",
                      "each lies below n, {}, and comes once, got {}",
                      n,
                      received.sequence());
    }
    seen[received.sequence()] = true;
    TRIPTYCH_RETURN_IF_ERROR(CheckSequence(received, request, card));
    sequences[received.sequence()] = {
        .ids = {received.token_ids().begin(), received.token_ids().end()},
        .finished = received.finished()};
  }
  return sequences;
}

}  // namespace triptych::router
