#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/ids.h"
#include "common/status.h"
#include "common/tokenizer/utf8.h"

namespace triptych {

// A run of prompt text. Spellings of special tokens count as such only in trusted text (templates, raw prompts); in other text they
// are ordinary characters.
struct TextRun {
  std::string text;
  bool trusted = false;
};

// Text to ids and back. Immutable after loading, thread-safe. Text must be valid UTF-8: callers check it (IsValidUtf8).
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Encodes the concatenation of the runs as one text, so that pieces may span a border between runs. No BOS is added.
  virtual std::vector<TokenId> Encode(std::span<const TextRun> runs) const = 0;
  std::vector<TokenId> Encode(std::string text, bool trusted) const;

  // The bytes that one id stands for in running text (byte-fallback pieces give one raw byte; control tokens nothing).
  virtual std::string Bytes(TokenId id) const = 0;

  virtual int32_t vocab_size() const = 0;
  // What the checkpoint's own tokenizer puts in front of a text; -1: nothing. SentencePiece: <s>. tokenizer.json: what the post-processor puts there,
  // unless tokenizer_config.json has add_bos_token, which then decides whether bos_token stands there.
  virtual TokenId bos() const = 0;
  // What ends a text; -1: the tokenizer does not say. SentencePiece: </s>. tokenizer.json: eos_token of tokenizer_config.json.
  virtual TokenId eos() const = 0;
  // The id of a special token's spelling, or -1.
  virtual TokenId SpecialId(std::string_view spelling) const = 0;
};

// Turns ids into text as they come: whole UTF-8 characters only; what stays invalid becomes U+FFFD once that is certain.
// Feeding ids in any portions gives the same text. One stream's own, no thread safety.
class IncrementalDetokenizer {
 public:
  explicit IncrementalDetokenizer(const Tokenizer* tokenizer) : tokenizer_(tokenizer) {}
  std::string Append(TokenId id);  // the text that is certain now
  std::string Flush();             // the rest, at the end of the stream

 private:
  const Tokenizer* tokenizer_;
  std::string pending_;  // an unfinished UTF-8 sequence
};

// From a checkpoint folder: tokenizer.model (SentencePiece) if it is there, else tokenizer.json (byte-level BPE) with, if it is there,
// tokenizer_config.json. kFailedPrecondition names the file and what is wrong with it.
StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& model_dir);
// The names of the files that LoadTokenizer reads in that folder; the first tells the kind. kFailedPrecondition: there is none.
StatusOr<std::vector<std::string>> TokenizerFiles(const std::string& model_dir);

}  // namespace triptych
