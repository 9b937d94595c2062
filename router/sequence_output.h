#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/tokenizer/tokenizer.h"
#include "router/stop_strings.h"

namespace triptych::router {

// One output sequence: the journal of its ids and the text that they make. The text given out is a function of the ids alone, so
// that whoever has the first k ids also has exactly the text that k ids give; it is what a resumed stream, on any router,
// goes on from. Used on one request's strand.
class SequenceOutput {
 public:
  SequenceOutput(const Tokenizer* tokenizer,
                 const std::vector<std::string>& stops,
                 int32_t min_new_tokens)
      : detokenizer_(tokenizer), stops_(stops), min_new_tokens_(min_new_tokens) {}

  struct Piece {
    int32_t taken = 0;  // ids that are now in the journal: all, unless a stop string came before
    std::string text;
  };
  // After a stop string nothing more is taken.
  Piece Append(std::span<const TokenId> ids);
  // The end: text that was waiting for more. Once.
  std::string Finish();

  const std::vector<TokenId>& ids() const { return ids_; }
  const std::optional<std::string>& stop() const { return stop_; }

 private:
  IncrementalDetokenizer detokenizer_;
  StopStrings stops_;
  const int32_t min_new_tokens_;
  std::vector<TokenId> ids_;
  std::optional<std::string> stop_;
};

}  // namespace triptych::router
