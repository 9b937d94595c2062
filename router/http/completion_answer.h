#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/tokenizer/tokenizer.h"
#include "nlohmann/json.hpp"
#include "router/http/completion_request.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// What OpenAI's clients get of a Generate call's events: chunks of a stream, or one object at the
// end. One request's own, no thread safety.
class CompletionAnswer {
 public:
  struct Shape {
    CompletionForm form = CompletionForm::kChat;
    bool stream = false;
    bool include_usage = false;
    bool logprobs = false;
    int32_t top_logprobs = 0;
    uint32_t num_choices = 1;
    int64_t created = 0;  // seconds since 1970
  };
  // The tokenizer, which spells the tokens of log-probabilities, outlives it.
  CompletionAnswer(Shape shape, const Tokenizer* tokenizer);

  void Take(const v1::GenerateEvent& event);
  // Of a stream: the chunks, as JSON, that were not taken out yet.
  std::vector<std::string> TakeChunks() { return std::exchange(chunks_, {}); }
  std::string UsageChunk() const;  // after the last
  std::string Whole() const;       // of all that was taken

 private:
  struct Choice {
    std::string text;         // where it is not streamed
    size_t characters = 0;    // of all text so far
    nlohmann::json logprobs;  // where it is not streamed; null until there are some
    nlohmann::json finish_reason;
  };
  nlohmann::json Head() const;
  nlohmann::json Usage() const;
  nlohmann::json Logprobs(const v1::Delta& delta, size_t text_offset) const;
  nlohmann::json ChatLogprobs(const v1::Delta& delta) const;
  nlohmann::json TextLogprobs(const v1::Delta& delta, size_t text_offset) const;
  nlohmann::json ChatToken(uint32_t id, float logprob) const;
  void TakeDelta(const v1::Delta& delta);
  void AddChunk(uint32_t index,
                nlohmann::json delta,
                nlohmann::json logprobs,
                nlohmann::json reason);

  const Shape shape_;
  const Tokenizer& tokenizer_;
  v1::Started started_;
  int64_t output_tokens_ = 0;
  std::vector<Choice> choices_;
  std::vector<std::string> chunks_;
};

}  // namespace triptych::router
