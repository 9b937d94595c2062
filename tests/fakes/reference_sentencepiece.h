#pragma once

#include <memory>
#include <string_view>
#include <vector>

namespace triptych {

// The SentencePiece library, which our encoder is compared with. Its header declares an absl::string_view of its own and its shared object an
// old protobuf, so it may stand neither in one translation unit with Abseil's nor in one process with gRPC.
class ReferenceSentencePiece {
 public:
  explicit ReferenceSentencePiece(std::string_view model);  // the bytes of a model file
  ~ReferenceSentencePiece();
  bool ok() const;
  std::vector<int> Encode(std::string_view text) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace triptych
