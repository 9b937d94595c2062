#include "common/tokenizer/sentencepiece_engine.h"

#include <sentencepiece_processor.h>

namespace triptych {

struct SentencePieceEngine::Impl {
  sentencepiece::SentencePieceProcessor processor;
};

SentencePieceEngine::SentencePieceEngine() : impl_(std::make_unique<Impl>()) {}
SentencePieceEngine::~SentencePieceEngine() = default;

bool SentencePieceEngine::Load(std::string_view model) { return impl_->processor.LoadFromSerializedProto(model).ok(); }

std::vector<int> SentencePieceEngine::Encode(std::string_view text) const {
  std::vector<int> ids;
  impl_->processor.Encode(text, &ids).IgnoreError();  // fails only when no model is loaded
  return ids;
}

}  // namespace triptych
