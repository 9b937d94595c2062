#include "tests/fakes/reference_sentencepiece.h"

#include <sentencepiece_processor.h>

namespace triptych {

struct ReferenceSentencePiece::Impl {
  sentencepiece::SentencePieceProcessor processor;
};

ReferenceSentencePiece::ReferenceSentencePiece(std::string_view model) : impl_(std::make_unique<Impl>()) {
  impl_->processor.LoadFromSerializedProto(model).IgnoreError();
}

ReferenceSentencePiece::~ReferenceSentencePiece() = default;

bool ReferenceSentencePiece::ok() const { return impl_->processor.status().ok(); }

std::vector<int> ReferenceSentencePiece::Encode(std::string_view text) const {
  std::vector<int> ids;
  impl_->processor.Encode(text, &ids).IgnoreError();  // fails only when no model is loaded
  return ids;
}

}  // namespace triptych
