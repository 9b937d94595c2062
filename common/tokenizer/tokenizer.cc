#include "common/tokenizer/tokenizer.h"

#include <utility>

namespace triptych {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// Moves what is certain from `pending` to the result; with `at_end` an unfinished rest is invalid.
std::string TakeCertain(std::string& pending, bool at_end) {
  std::string text;
  std::string_view rest = pending;
  while (!rest.empty()) {
    const Utf8Step step = StepUtf8(rest);
    if (step.kind == Utf8Step::Kind::kUnfinished && !at_end) break;
    text += step.kind == Utf8Step::Kind::kCharacter ? rest.substr(0, step.bytes) : kReplacement;
    rest.remove_prefix(step.bytes);
  }
  pending = std::string(rest);
  return text;
}

}  // namespace

std::vector<TokenId> Tokenizer::Encode(std::string text, bool trusted) const {
  const TextRun run{std::move(text), trusted};
  return Encode(std::span(&run, 1));
}

std::string IncrementalDetokenizer::Append(TokenId id) {
  pending_ += tokenizer_->Bytes(id);
  return TakeCertain(pending_, /*at_end=*/false);
}

std::string IncrementalDetokenizer::Flush() { return TakeCertain(pending_, /*at_end=*/true); }

}  // namespace triptych
