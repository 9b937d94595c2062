#include "router/sequence_output.h"

#include <utility>

namespace triptych::router {

SequenceOutput::Piece SequenceOutput::Append(std::span<const TokenId> ids) {
  Piece piece;
  for (const TokenId id : ids) {
    if (stop_) break;
    ids_.push_back(id);
    ++piece.taken;
    const bool armed = std::cmp_greater_equal(ids_.size(), min_new_tokens_);
    StopStrings::Result result = stops_.Feed(detokenizer_.Append(id), armed);
    piece.text += result.text;
    stop_ = std::move(result.stop);
  }
  return piece;
}

std::string SequenceOutput::Finish() {
  if (stop_) return {};
  StopStrings::Result rest = stops_.Feed(detokenizer_.Flush(), /*armed=*/false);
  return rest.text + stops_.Flush();
}

}  // namespace triptych::router
