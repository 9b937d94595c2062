#include "router/http/completion_answer.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_model_card.h"

namespace triptych::router {
namespace {

using nlohmann::json;

constexpr uint32_t kA = fakes::ByteTokenizer::kFirstByte + 'a';

v1::GenerateEvent Started() {
  v1::GenerateEvent event;
  event.mutable_started()->set_request_id("r7");
  event.mutable_started()->set_model("m");
  event.mutable_started()->set_prompt_tokens(10);
  event.mutable_started()->set_image_tokens(4);
  event.mutable_started()->set_cached_tokens(3);
  return event;
}

v1::GenerateEvent Delta(const std::string& text, uint32_t sequence = 0) {
  v1::GenerateEvent event;
  event.mutable_delta()->set_text(text);
  event.mutable_delta()->set_sequence(sequence);
  return event;
}

v1::GenerateEvent Finished(v1::FinishReason reason, uint32_t sequence = 0) {
  v1::GenerateEvent event;
  event.mutable_finished()->set_reason(reason);
  event.mutable_finished()->set_sequence(sequence);
  event.mutable_finished()->set_output_tokens(5);
  return event;
}

v1::GenerateEvent Token(const std::string& text, uint32_t id) {
  v1::GenerateEvent event = Delta(text);
  event.mutable_delta()->add_token_ids(id);
  v1::TokenLogprobs* logprobs = event.mutable_delta()->add_logprobs();
  logprobs->set_logprob(-0.5);
  logprobs->add_top_ids(id);
  logprobs->add_top_logprobs(-0.5);
  logprobs->add_top_ids(id + 1);
  logprobs->add_top_logprobs(-std::numeric_limits<float>::infinity());
  return event;
}

class CompletionAnswerTest : public testing::Test {
 protected:
  std::vector<json> Chunks(CompletionAnswer& answer, const std::vector<v1::GenerateEvent>& events) {
    for (const v1::GenerateEvent& event : events) answer.Take(event);
    std::vector<json> chunks;
    for (const std::string& chunk : answer.TakeChunks()) chunks.push_back(json::parse(chunk));
    return chunks;
  }
  json Whole(CompletionAnswer answer, const std::vector<v1::GenerateEvent>& events) {
    EXPECT_TRUE(Chunks(answer, events).empty());
    return json::parse(answer.Whole());
  }
  const fakes::ByteTokenizer tokenizer_;
};

TEST_F(CompletionAnswerTest, AChatIsOneObject) {
  const CompletionAnswer answer({.num_choices = 2, .created = 99}, &tokenizer_);
  EXPECT_EQ(Whole(answer,
                  {Started(),
                   Delta("He"),
                   Delta("B", 1),
                   Delta("llo"),
                   Finished(v1::FINISH_REASON_STOP),
                   Finished(v1::FINISH_REASON_LENGTH, 1)}),
            json::parse(R"({"id": "chatcmpl-r7", "object": "chat.completion", "created": 99,
      "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello", "refusal": null},
         "logprobs": null, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "content": "B", "refusal": null},
         "logprobs": null, "finish_reason": "length"}],
      "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 3, "image_tokens": 4}}})"));
}

TEST_F(CompletionAnswerTest, AChatIsStreamedInChunks) {
  CompletionAnswer answer({.stream = true, .include_usage = true, .created = 99}, &tokenizer_);
  const std::vector<json> chunks = Chunks(
      answer, {Started(), Delta("He"), Delta(""), Finished(v1::FINISH_REASON_LENGTH)});
  ASSERT_EQ(chunks.size(), 3u);
  EXPECT_EQ(chunks[0], json::parse(R"({"id": "chatcmpl-r7", "object": "chat.completion.chunk",
      "created": 99, "model": "m", "usage": null, "choices": [{"index": 0, "logprobs": null,
        "finish_reason": null, "delta": {"role": "assistant", "content": ""}}]})"));
  EXPECT_EQ(chunks[1]["choices"][0]["delta"], json::parse(R"({"content": "He"})"));
  EXPECT_EQ(chunks[2]["choices"][0]["delta"], json::object());
  EXPECT_EQ(chunks[2]["choices"][0]["finish_reason"], "length");
  const json usage = json::parse(answer.UsageChunk());
  EXPECT_EQ(usage["choices"], json::array());
  EXPECT_EQ(usage["usage"]["completion_tokens"], 5);
}

TEST_F(CompletionAnswerTest, ATextHasItsOwnForm) {
  CompletionAnswer streamed({.form = CompletionForm::kText, .stream = true}, &tokenizer_);
  const std::vector<json> chunks =
      Chunks(streamed, {Started(), Delta("He"), Finished(v1::FINISH_REASON_STOP)});
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0]["object"], "text_completion");
  EXPECT_EQ(chunks[0]["id"], "cmpl-r7");
  EXPECT_EQ(chunks[0]["choices"][0]["text"], "He");
  EXPECT_FALSE(chunks[0].contains("usage"));
  EXPECT_EQ(chunks[1]["choices"][0]["text"], "");
  EXPECT_EQ(chunks[1]["choices"][0]["finish_reason"], "stop");
  const json whole = Whole(CompletionAnswer({.form = CompletionForm::kText}, &tokenizer_),
                           {Started(), Delta("He"), Finished(v1::FINISH_REASON_STOP)});
  EXPECT_EQ(whole["choices"][0]["text"], "He");
}

TEST_F(CompletionAnswerTest, ChatLogprobsSpellTokensAndTheirBytes) {
  const CompletionAnswer answer({.logprobs = true, .top_logprobs = 2}, &tokenizer_);
  const json whole =
      Whole(answer, {Started(), Token("a", kA), Token("", kA + 0xc3 - 'a'), Delta("rest"),
                     Finished(v1::FINISH_REASON_STOP)});
  const json& content = whole["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 2u);
  EXPECT_EQ(content[0], json::parse(R"({"token": "a", "logprob": -0.5, "bytes": [97],
      "top_logprobs": [{"token": "a", "logprob": -0.5, "bytes": [97]},
                       {"token": "b", "logprob": -9999.0, "bytes": [98]}]})"));
  EXPECT_EQ(content[1]["token"], "\xef\xbf\xbd");  // half a character
  EXPECT_EQ(content[1]["bytes"], json::array({0xc3}));
}

TEST_F(CompletionAnswerTest, TextLogprobsCountCharacters) {
  const CompletionAnswer answer(
      {.form = CompletionForm::kText, .logprobs = true, .top_logprobs = 1}, &tokenizer_);
  const json whole = Whole(answer, {Started(), Token("\xc3\xa4", kA), Token("b", kA + 1),
                                    Finished(v1::FINISH_REASON_STOP)});
  EXPECT_EQ(whole["choices"][0]["logprobs"],
            json::parse(R"({"tokens": ["a", "b"], "token_logprobs": [-0.5, -0.5],
                "top_logprobs": [{"a": -0.5}, {"b": -0.5}], "text_offset": [0, 1]})"));
}

TEST_F(CompletionAnswerTest, NoAlternativesAreShownUnasked) {
  CompletionAnswer answer({.stream = true, .logprobs = true}, &tokenizer_);
  const std::vector<json> chunks = Chunks(answer, {Started(), Token("", kA)});
  ASSERT_EQ(chunks.size(), 2u);  // text that is held back has its log-probabilities
  EXPECT_EQ(chunks[1]["choices"][0]["logprobs"]["content"][0]["top_logprobs"], json::array());
}

}  // namespace
}  // namespace triptych::router
