#pragma once

#include <memory>
#include <string_view>
#include <vector>

namespace triptych {

// SentencePiece's encoder behind plain types: its header declares an absl::string_view of its own, which cannot stand in one translation
// unit with Abseil's. Immutable after Load, thread-safe.
class SentencePieceEngine {
 public:
  SentencePieceEngine();
  ~SentencePieceEngine();
  bool Load(std::string_view model);  // the bytes of a model file
  std::vector<int> Encode(std::string_view text) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace triptych
