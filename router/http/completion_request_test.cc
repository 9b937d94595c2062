#include "router/http/completion_request.h"

#include "common/status_reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/base64.h"

namespace triptych::router {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A chat body with one message and further fields.
std::string Chat(const std::string& more = "") {
  return R"({"messages": [{"role": "user", "content": "hello"}])" + more + "}";
}
std::string WithMessage(const std::string& message) { return R"({"messages": [)" + message + "]}"; }
std::string WithPart(const std::string& part) {
  return WithMessage(R"({"role": "user", "content": [)" + part + "]}");
}
std::string WithImage(const std::string& image) {
  return WithPart(R"({"type": "image_url", "image_url": )" + image + "}");
}
constexpr char kUrl[] = "messages[0].content[0].image_url.url";

TEST(ChatRequestTest, BecomesAGenerateRequest) {
  const std::string file = "some bytes";
  const StatusOr<CompletionRequest> request = ReadChatRequest(
      R"({"model": "m", "messages": [{"role": "system", "content": "be brief"},
          {"role": "user", "content": [{"type": "text", "text": "what is"}, {"type": "image_url",
            "image_url": {"url": "data:image/png;base64,)" +
      Base64(file) + R"(", "detail": "low"}}]},
          {"role": "assistant", "content": "a cat", "refusal": null, "tool_calls": []}],
          "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "n": 2, "seed": -1, "stop": ["a", "b"],
          "presence_penalty": 0.1, "frequency_penalty": -0.2, "logit_bias": {"5": -1.5},
          "logprobs": true, "top_logprobs": 3,
          "stream": true, "stream_options": {"include_usage": true},
          "user": "me", "metadata": {}, "store": true, "tools": null,
          "response_format": {"type": "text"},
          "top_k": 4, "min_p": 0.01, "repetition_penalty": 1.1, "min_tokens": 2, "ignore_eos": true,
          "stop_token_ids": [9], "adapter": "web"})");
  ASSERT_TRUE(request.ok()) << Message(request.status());
  EXPECT_TRUE(request->stream && request->include_usage && request->logprobs);
  EXPECT_EQ(request->top_logprobs, 3);
  const v1::GenerateRequest& generate = request->generate;
  const auto& messages = generate.prompt().conversation().messages();
  ASSERT_EQ(messages.size(), 3);
  EXPECT_EQ(messages[0].role(), v1::ROLE_SYSTEM);
  EXPECT_EQ(messages[0].parts(0).text(), "be brief");
  EXPECT_EQ(messages[1].parts(0).text(), "what is");
  EXPECT_EQ(messages[1].parts(1).image().data(), file);
  EXPECT_EQ(messages[1].parts(1).image().max_tiles(), 1u);
  EXPECT_EQ(messages[2].role(), v1::ROLE_ASSISTANT);
  EXPECT_THAT(request->image_fields, ElementsAre("messages[1].content[1].image_url"));
  EXPECT_EQ(generate.model(), "m");
  EXPECT_EQ(generate.adapter(), "web");
  EXPECT_EQ(generate.top_logprobs(), 3u);
  const v1::Sampling& sampling = generate.sampling();
  EXPECT_EQ(sampling.temperature(), 0.5f);
  EXPECT_EQ(sampling.top_p(), 0.9f);
  EXPECT_EQ(sampling.n(), 2u);
  EXPECT_EQ(sampling.seed(), ~uint64_t{0});
  EXPECT_EQ(sampling.presence_penalty(), 0.1f);
  EXPECT_EQ(sampling.frequency_penalty(), -0.2f);
  EXPECT_EQ(sampling.logit_bias().at(5), -1.5f);
  EXPECT_EQ(sampling.top_k(), 4u);
  EXPECT_EQ(sampling.min_p(), 0.01f);
  EXPECT_EQ(sampling.repetition_penalty(), 1.1f);
  const v1::Stopping& stopping = generate.stopping();
  EXPECT_EQ(stopping.max_new_tokens(), 7u);
  EXPECT_EQ(stopping.min_new_tokens(), 2u);
  EXPECT_THAT(stopping.stop(), ElementsAre("a", "b"));
  EXPECT_THAT(stopping.stop_token_ids(), ElementsAre(9));
  EXPECT_TRUE(stopping.ignore_eos());
}

TEST(ChatRequestTest, SamplesAsOpenAiUnlessToldOtherwise) {
  const StatusOr<CompletionRequest> request = ReadChatRequest(Chat());
  ASSERT_TRUE(request.ok()) << Message(request.status());
  EXPECT_EQ(request->generate.sampling().temperature(), 1);
  EXPECT_EQ(request->generate.sampling().n(), 1u);
  EXPECT_FALSE(request->generate.sampling().has_seed());
  EXPECT_EQ(request->generate.stopping().max_new_tokens(), 0u);
  EXPECT_EQ(request->generate.top_logprobs(), 0u);
  EXPECT_EQ(ReadChatRequest(Chat(R"(, "num_beams": 3)"))->generate.sampling().temperature(), 0);
  EXPECT_EQ(ReadChatRequest(Chat(R"(, "logprobs": true)"))->generate.top_logprobs(), 1u);
}

TEST(ChatRequestTest, NamesAPictureThatWasSentBefore) {
  const auto request =
      ReadChatRequest(WithImage(R"({"url": "/v1/pictures/abc", "max_tiles": 9})"));
  ASSERT_TRUE(request.ok()) << Message(request.status());
  const v1::Image& image =
      request->generate.prompt().conversation().messages(0).parts(0).image();
  EXPECT_EQ(image.sha256(), "abc");
  EXPECT_EQ(image.max_tiles(), 9u);
}

struct BadBody {
  std::string body;
  std::string field;
  std::string says;
};
void PrintTo(const BadBody& bad, std::ostream* out) { *out << bad.field << ": " << bad.says; }
class BadChats : public testing::TestWithParam<BadBody> {};
class BadTexts : public testing::TestWithParam<BadBody> {};

void ExpectRefused(const Status& status, const BadBody& bad) {
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(status), bad.field);
  EXPECT_NE(ReasonOf(status), "");
  EXPECT_THAT(std::string(Message(status)), HasSubstr(bad.says));
}

TEST_P(BadChats, NameTheField) {
  ExpectRefused(ReadChatRequest(GetParam().body).status(), GetParam());
}
TEST_P(BadTexts, NameTheField) {
  ExpectRefused(ReadTextRequest(GetParam().body).status(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    All,
    BadChats,
    testing::Values(
        BadBody{"", "", "not the JSON"},
        BadBody{"{", "", "parse error at line 1"},
        BadBody{"[]", "", "no object"},
        BadBody{"{\"messages\": \"\xff\"}", "", "invalid string"},
        BadBody{Chat(R"(, "temperature": 1e999)"), "", "number overflow"},
        BadBody{std::string(1000, '['), "", "32 levels"},
        BadBody{"{\"a\": [" + std::string(70000, ',') + "]}", "", "65536 values"},
        BadBody{"{}", "messages", "at least one message"},
        BadBody{R"({"messages": []})", "messages", "at least one message"},
        BadBody{R"({"messages": {}})", "messages", "a list"},
        BadBody{WithMessage("7"), "messages[0]", "must be an object, got number"},
        BadBody{WithMessage(R"({"content": "x"})"), "messages[0].role", "is needed"},
        BadBody{WithMessage(R"({"role": "tool", "content": "x"})"), "messages[0].role",
                "system, user or assistant"},
        BadBody{WithMessage(R"({"role": "user"})"), "messages[0].content", "a string or a list"},
        BadBody{WithMessage(R"({"role": "user", "content": []})"), "messages[0].content",
                "at least one part"},
        BadBody{WithMessage(R"({"role": "user", "content": "x", "tool_calls": [{}]})"),
                "messages[0].tool_calls", "does not support it"},
        BadBody{WithMessage(R"({"role": "user", "content": "x", "contents": 1})"),
                "messages[0].contents", "no such field"},
        BadBody{WithPart("3"), "messages[0].content[0]", "must be an object"},
        BadBody{WithPart("{}"), "messages[0].content[0].type", "is needed"},
        BadBody{WithPart(R"({"type": "input_audio"})"), "messages[0].content[0].type",
                "text or image_url"},
        BadBody{WithPart(R"({"type": "text"})"), "messages[0].content[0].text", "is needed"},
        BadBody{WithPart(R"({"type": "text", "text": 1})"),
                "messages[0].content[0].text",
                "must be a string"},
        BadBody{WithPart(R"({"type": "image_url"})"), "messages[0].content[0].image_url", "needed"},
        BadBody{WithImage(R"("x")"),
                "messages[0].content[0].image_url", "an object"},
        BadBody{WithImage(R"({})"),
                kUrl, "is needed"},
        BadBody{WithImage(R"({"url": "file:///etc/passwd"})"),
                kUrl, "data:image/TYPE;base64"},
        BadBody{WithImage(R"({"url": "data:image/png;base64,@@"})"),
                kUrl, "not Base64"},
        BadBody{WithImage(R"({"url": "data:image/png;base64,"})"),
                kUrl, "empty"},
        BadBody{WithImage(R"({"url": "x", "detail": "huge"})"),
                "messages[0].content[0].image_url.detail", "auto, low or high"},
        BadBody{Chat(R"(, "model": 3)"), "model", "must be a string, got number"},
        BadBody{Chat(R"(, "temperature": "hot")"), "temperature", "must be a number, got string"},
        BadBody{Chat(R"(, "temperature": 1e300)"), "temperature", "too large"},
        BadBody{Chat(R"(, "top_p": 0)"), "top_p", "above 0"},
        BadBody{Chat(R"(, "n": 0)"), "n", "an integer between 1"},
        BadBody{Chat(R"(, "n": 1.5)"), "n", "got 1.5"},
        BadBody{Chat(R"(, "seed": 18446744073709551615)"), "seed", "an integer"},
        BadBody{Chat(R"(, "max_tokens": 0)"), "max_tokens", "between 1"},
        BadBody{Chat(R"(, "max_tokens": 3, "max_completion_tokens": 4)"), "max_tokens", "differs"},
        BadBody{Chat(R"(, "stop": [1])"), "stop", "a list of strings"},
        BadBody{Chat(R"(, "stop_token_ids": [-1])"), "stop_token_ids", "token ids"},
        BadBody{Chat(R"(, "logit_bias": [])"), "logit_bias", "an object"},
        BadBody{Chat(R"(, "logit_bias": {"cat": 1})"), "logit_bias", "token ids"},
        BadBody{Chat(R"(, "logit_bias": {"1": "a"})"), "logit_bias", "numbers"},
        BadBody{Chat(R"(, "top_logprobs": 2)"), "top_logprobs", "where logprobs is true"},
        BadBody{Chat(R"(, "stream": "yes")"), "stream", "true or false"},
        BadBody{Chat(R"(, "stream_options": {"include_usage": true})"), "stream_options",
                "where stream is true"},
        BadBody{Chat(R"(, "stream": true, "stream_options": {"usage": true})"),
                "stream_options.usage", "no such field"},
        BadBody{Chat(R"(, "tools": [{"type": "function"}])"), "tools", "does not support it"},
        BadBody{Chat(R"(, "functions": [{}])"), "functions", "does not support it"},
        BadBody{Chat(R"(, "tool_choice": "auto")"), "tool_choice", "set it to \"none\""},
        BadBody{Chat(R"(, "audio": {"voice": "x"})"), "audio", "does not support it"},
        BadBody{Chat(R"(, "modalities": ["audio"])"), "modalities", "[\"text\"]"},
        BadBody{Chat(R"(, "response_format": {"type": "json_object"})"), "response_format",
                "{\"type\":\"text\"}"},
        BadBody{Chat(R"(, "temprature": 1)"), "temprature", "there are: adapter"}));

INSTANTIATE_TEST_SUITE_P(
    All,
    BadTexts,
    testing::Values(BadBody{"{}", "prompt", "must be a string"},
                    BadBody{R"({"prompt": ["a", "b"]})", "prompt", "must be a string, got array"},
                    BadBody{R"({"prompt": "a", "echo": true})", "echo", "does not support it"},
                    BadBody{R"({"prompt": "a", "suffix": "b"})", "suffix", "does not support it"},
                    BadBody{R"({"prompt": "a", "best_of": 3})", "best_of", "set it to 1"},
                    BadBody{R"({"prompt": "a", "logprobs": true})", "logprobs", "an integer"},
                    BadBody{R"({"prompt": "a", "messages": []})", "messages", "no such field"}));

TEST(TextRequestTest, BecomesARawPrompt) {
  const auto request = ReadTextRequest(
      R"({"prompt": "<s>a", "logprobs": 0, "echo": false, "suffix": "", "best_of": 1})");
  ASSERT_TRUE(request.ok()) << Message(request.status());
  EXPECT_EQ(request->generate.prompt().raw().parts(0).text(), "<s>a");
  EXPECT_EQ(request->generate.stopping().max_new_tokens(), 16u);
  EXPECT_TRUE(request->logprobs);
  EXPECT_EQ(request->top_logprobs, 0);
  EXPECT_EQ(request->generate.top_logprobs(), 1u);
}

TEST(InTermsOfTest, NamesTheFieldsOfTheJson) {
  CompletionRequest request = *ReadChatRequest(Chat(R"(, "max_tokens": 5)"));
  request.image_fields = {"messages[0].content[0].image_url", "messages[2].content[1].image_url"};
  const auto name_of = [&](const std::string& field) {
    const Status status =
        InTermsOf(request, WithReason(InvalidArgument("{}: is wrong", field), "R", field));
    EXPECT_EQ(std::string(Message(status)), FieldOf(status) + ": is wrong");
    EXPECT_EQ(ReasonOf(status), "R");
    return FieldOf(status);
  };
  EXPECT_EQ(name_of("sampling.temperature"), "temperature");
  EXPECT_EQ(name_of("stopping.max_new_tokens"), "max_tokens");
  EXPECT_EQ(name_of("stopping.stop"), "stop");
  EXPECT_EQ(name_of("prompt.images[1]"), "messages[2].content[1].image_url");
  EXPECT_EQ(name_of("prompt.images[7]"), "messages");
  EXPECT_EQ(name_of("prompt.conversation.messages"), "messages");
  EXPECT_EQ(name_of("top_logprobs"), "top_logprobs");
  request.form = CompletionForm::kText;
  EXPECT_EQ(name_of("prompt"), "prompt");
  EXPECT_EQ(InTermsOf(request, Unavailable("full")), Unavailable("full"));
}

}  // namespace
}  // namespace triptych::router
