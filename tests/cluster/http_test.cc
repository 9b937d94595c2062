// Clients of the HTTP interface.
#include "common/hash/sha256.h"
#include "nlohmann/json.hpp"
#include "router/base64.h"
#include "tests/cluster/cluster_test.h"
#include "tests/fakes/http_talk.h"
#include "tests/fakes/tiny_bmp.h"

namespace triptych::cluster_test {
namespace {

using fakes::HttpGet;
using fakes::HttpHeard;
using fakes::HttpPost;
using fakes::HttpTalk;
using nlohmann::json;
using testing::HasSubstr;

constexpr char kChat[] = "/v1/chat/completions";

class HttpTest : public ClusterTest {
 protected:
  explicit HttpTest(LocalCluster::Options options = {}) : ClusterTest(std::move(options)) {}

  // The chat that asks what MakeRequest of the same arguments asks.
  static json Chat(const std::string& text,
                   int max_tokens,
                   const std::vector<uint32_t>& pictures = {}) {
    json content = {{{"type", "text"}, {"text", text}}};
    for (const uint32_t picture : pictures) {
      const std::string url =
          "data:image/bmp;base64," + router::Base64(fakes::TinyBmp(picture));
      content.push_back({{"type", "image_url"}, {"image_url", {{"url", url}, {"max_tiles", 2}}}});
      content.push_back({{"type", "text"}, {"text", "?"}});
    }
    return {{"messages", {{{"role", "user"}, {"content", std::move(content)}}}},
            {"max_tokens", max_tokens},
            {"temperature", 0},
            {"ignore_eos", true}};
  }
  static json Streamed(json body) {
    body["stream"] = true;
    return body;
  }
  HttpHeard Ask(const std::string& path, const json& body, const std::string& headers = "") {
    HttpTalk talk(cluster_.http_port());
    talk.Send(HttpPost(path, body.dump(), headers));
    return talk.Hear();
  }
  // The events' data, the last of which must be [DONE].
  static std::vector<json> Events(const std::string& body) {
    std::vector<json> events;
    constexpr std::string_view kData = "data: ";
    for (size_t at = 0; at < body.size();) {
      const size_t end = body.find("\n\n", at);
      const std::string data = body.substr(at + kData.size(), end - at - kData.size());
      at = end + 2;
      if (at < body.size()) {
        events.push_back(json::parse(data));
      } else {
        EXPECT_EQ(data, "[DONE]");
      }
    }
    return events;
  }
  static std::string Text(const std::vector<json>& chunks) {
    std::string text;
    for (const json& chunk : chunks)
      text += chunk["choices"].empty() ? "" : chunk["choices"][0]["delta"].value("content", "");
    return text;
  }
};

TEST_F(HttpTest, AChatAnswersWhatGenerateDoes) {
  cluster_.AddDecoder("d0");
  cluster_.AddEncoder("e0");
  const Heard heard = cluster_.Generate(LocalCluster::MakeRequest("What is this: ", 40, {7}));
  ASSERT_TRUE(heard.complete()) << heard.why();
  HttpHeard whole = Ask(kChat, Chat("What is this: ", 40, {7}), "X-Request-Id: mine\r\n");
  ASSERT_EQ(whole.status, 200) << whole.body;
  EXPECT_EQ(whole.headers["X-Request-Id"], "mine");
  const json answer = json::parse(whole.body);
  EXPECT_EQ(answer["id"], "chatcmpl-mine");
  EXPECT_EQ(answer["model"], "fake");
  EXPECT_EQ(answer["choices"][0]["message"]["content"], heard.text.at(0));
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(answer["usage"]["prompt_tokens"], heard.started->prompt_tokens());
  EXPECT_EQ(answer["usage"]["prompt_tokens_details"]["image_tokens"], 4);
  EXPECT_EQ(answer["usage"]["completion_tokens"], 40);
  json body = Streamed(Chat("What is this: ", 40, {7}));
  body["stream_options"] = {{"include_usage", true}};
  const std::vector<json> chunks = Events(Ask(kChat, body).body);
  EXPECT_EQ(Text(chunks), heard.text.at(0));
  EXPECT_EQ(chunks.back()["usage"]["completion_tokens"], 40);
  EXPECT_EQ(chunks[chunks.size() - 2]["choices"][0]["finish_reason"], "length");
}

TEST_F(HttpTest, APictureOfOneRequestIsNamedByAnother) {
  cluster_.AddDecoder("d0");
  cluster_.AddEncoder("e0");
  const HttpHeard first = Ask(kChat, Chat("What is this: ", 20, {9}));
  ASSERT_EQ(first.status, 200) << first.body;
  json body = Chat("What is this: ", 20, {9});
  const std::string file = fakes::TinyBmp(9);
  body["messages"][0]["content"][1]["image_url"]["url"] =
      "/v1/pictures/" +
      ToHex(Sha256({reinterpret_cast<const uint8_t*>(file.data()), file.size()}));
  const HttpHeard second = Ask(kChat, body);
  ASSERT_EQ(second.status, 200) << second.body;
  EXPECT_EQ(json::parse(second.body)["choices"], json::parse(first.body)["choices"]);
}

TEST_F(HttpTest, ACompletionAnswersToARawPrompt) {
  cluster_.AddDecoder("d0");
  const Heard heard = cluster_.Generate(LocalCluster::MakeRequest("Once upon", 12));
  const HttpHeard whole = Ask("/v1/completions",
                              {{"prompt", "Once upon"},
                               {"max_tokens", 12},
                               {"temperature", 0},
                               {"ignore_eos", true},
                               {"logprobs", 0}});
  ASSERT_EQ(whole.status, 200) << whole.body;
  const json choice = json::parse(whole.body)["choices"][0];
  EXPECT_EQ(choice["text"], heard.text.at(0));
  EXPECT_EQ(choice["logprobs"]["tokens"].size(), 12u);
}

TEST_F(HttpTest, ModelsAreListedWithWhatRequestsMayChoose) {
  cluster_.AddDecoder("d0");
  const auto get = [&](const std::string& path) {
    HttpTalk talk(cluster_.http_port());
    talk.Send(HttpGet(path));
    return json::parse(talk.Hear().body);
  };
  json model = get("/v1/models/fake");
  EXPECT_EQ(get("/v1/models"), (json{{"object", "list"}, {"data", json::array({model})}}));
  EXPECT_GT(model["created"], 0);
  model.erase("created");
  EXPECT_EQ(model,
            (json{{"id", "fake"},
                  {"object", "model"},
                  {"owned_by", "fake"},
                  {"context_tokens", 4096},
                  {"accepts_images", true},
                  {"ready_encoders", 0},
                  {"ready_decoders", 1},
                  {"adapters", {"base", "web"}},
                  {"max_tiles", 8},
                  {"default_max_tiles", 2},
                  {"default_max_new_tokens", 64},
                  {"accepts_conversations", true}}));
}

TEST_F(HttpTest, AVanishedClientFreesTheEngine) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  decoder.HoldAfter(5);
  HttpTalk streamed(cluster_.http_port()), whole(cluster_.http_port());
  streamed.Send(HttpPost(kChat, Streamed(Chat("to be cancelled", 2000)).dump()));
  EXPECT_THAT(streamed.HearUntil("content\":\""), HasSubstr("text/event-stream"));
  whole.Send(HttpPost(kChat, Chat("to be cancelled too", 2000).dump()));
  AwaitTrue("both are there", [&] { return decoder.stats().accepted == 2; });
  streamed.Close();
  whole.Close();
  AwaitTrue("the decoder hears of it", [&] { return decoder.open_streams() == 0; });
  decoder.Release();
  AwaitTrue("the engine is free", [&] { return decoder.at_rest(); });
  EXPECT_EQ(decoder.stats().cancelled, 2u);
}

TEST_F(HttpTest, AStreamGoesOnWhenItsDecoderDies) {
  LocalDecoder& first = cluster_.AddDecoder("d0");
  first.HoldAfter(5);
  const v1::GenerateRequest request = LocalCluster::MakeRequest("Once upon a time", 60);
  HttpTalk talk(cluster_.http_port());
  talk.Send(HttpPost(kChat, Streamed(Chat("Once upon a time", 60)).dump()));
  AwaitTrue("it has begun", [&] { return first.holding(); });
  LocalDecoder& second = cluster_.AddDecoder("d1");
  first.Kill();
  const HttpHeard heard = talk.Hear();
  EXPECT_EQ(heard.status, 200);
  EXPECT_EQ(second.stats().completed, 1u);
  const Heard undisturbed = cluster_.Generate(request);
  EXPECT_EQ(Text(Events(heard.body)), undisturbed.text.at(0));
}

TEST_F(HttpTest, ADeadlineEndsARequestBeforeAndWithinItsAnswer) {
  EXPECT_EQ(Ask(kChat, Chat("nobody there", 10), "X-Request-Timeout: 0.05\r\n").status, 504);
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  decoder.HoldAfter(5);
  const HttpHeard heard =
      Ask(kChat, Streamed(Chat("too slow", 2000)), "X-Request-Timeout: 0.3\r\n");
  EXPECT_EQ(heard.status, 200);
  EXPECT_THAT(heard.body, HasSubstr("data: {\"error\":{"));
  EXPECT_THAT(heard.body, HasSubstr("the call's deadline has passed"));
  EXPECT_THAT(heard.body, testing::Not(HasSubstr("[DONE]")));
  decoder.Release();
}

TEST_F(HttpTest, ErrorsNameTheFieldsOfTheJson) {
  const auto error = [&](json body, const json& change) {
    body.update(change);
    const HttpHeard heard = Ask(kChat, body);
    EXPECT_GE(heard.status, 400);
    json told = json::parse(heard.body)["error"];
    told["status"] = heard.status;
    return told;
  };
  json told = error(Chat("x", 5), {{"temperature", -1}});
  EXPECT_EQ(told["param"], "temperature");
  EXPECT_EQ(told["status"], 400);
  EXPECT_THAT(told["message"].get<std::string>(), testing::StartsWith("temperature: "));
  told = error(Chat("x", 5), {{"model", "another"}});
  EXPECT_EQ(told["code"], "model_not_found");
  EXPECT_EQ(told["status"], 404);
  told = error(Chat("x", 5), {{"adapter", "write"}});
  EXPECT_EQ(told["param"], "adapter");
  EXPECT_THAT(told["message"].get<std::string>(), HasSubstr("base, web"));
  told = error(Chat("x", 5), {{"max_tokens", 100000}});
  EXPECT_EQ(told["param"], "max_tokens");
  EXPECT_EQ(error(Chat("x", 5), {{"n", 1000000}})["param"], "n");
  told = error(Chat(std::string(5000, 'x'), 5), json::object());
  EXPECT_EQ(told["code"], "context_length_exceeded");
  EXPECT_EQ(told["param"], "messages");
  json body = Chat("x", 5, {1, 2});
  body["messages"][0]["content"][3]["image_url"]["url"] = "data:image/png;base64,aGVsbG8=";
  EXPECT_EQ(error(body, json::object())["param"], "messages[0].content[3].image_url");
  EXPECT_EQ(cluster_.Metric("triptych_router_refused_total{code=\"INVALID_ARGUMENT\"}"), 6);
}

TEST_F(HttpTest, ADrainingRouterTakesNothingNew) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  decoder.HoldAfter(5);
  HttpTalk running(cluster_.http_port());
  running.Send(HttpPost(kChat, Chat("to the end", 30).dump()));
  AwaitTrue("it runs", [&] { return decoder.holding(); });
  cluster_.Drain();
  HttpHeard refused = Ask(kChat, Chat("too late", 30));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers["Retry-After"], "1");
  EXPECT_EQ(json::parse(refused.body)["error"]["code"], "draining");
  EXPECT_EQ(Ask("/v1/articles", {{"instruction", "too late"}}).status, 503);
  decoder.Release();
  EXPECT_EQ(running.Hear().status, 200);
}

TEST_F(HttpTest, AnArticleComesAsEventsInProto3Json) {
  cluster_.AddDecoder("d0");
  HttpHeard heard = Ask("/v1/articles",
                        {{"instruction", "Write of beasts"}, {"max_new_tokens", 30},
                         {"sampling", {{"seed", 5}}}});
  ASSERT_EQ(heard.status, 200) << heard.body;
  const std::vector<json> events = Events(heard.body);
  ASSERT_GE(events.size(), 2u);
  EXPECT_EQ(events.front()["started"]["seed"], "5");
  EXPECT_EQ(events.front()["started"]["cached_tokens"], 0);
  EXPECT_EQ(events.front()["started"]["request_id"], heard.headers["X-Request-Id"]);
  EXPECT_EQ(events.back()["finished"]["title"], "Write of beasts");
  EXPECT_EQ(events.back()["finished"]["illustrations"], json::array());
  const HttpHeard refused = Ask("/v1/articles", {{"instruction", "x"}, {"library", "attic"}});
  EXPECT_EQ(refused.status, 404);
  EXPECT_EQ(json::parse(refused.body)["error"]["param"], "library");
}

class SlowHttpReaderTest : public HttpTest {
 protected:
  SlowHttpReaderTest() : HttpTest({.max_unsent_bytes = 1024}) {}
};

TEST_F(SlowHttpReaderTest, IsDroppedWhileItsNeighboursGoOn) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  // The kernel takes something before a reader counts as slow: each token comes with many words.
  json body = Streamed(Chat("I shall read this later", 3000));
  body.update({{"logprobs", true}, {"top_logprobs", 20}, {"n", 4}});
  HttpTalk slow(cluster_.http_port(), HttpTalk::Window::kSmall);
  slow.Send(HttpPost(kChat, body.dump()));
  AwaitTrue("it is dropped", [&] {
    return cluster_.Metric("triptych_router_requests_total{outcome=\"failed\"}") == 1;
  });
  const Heard neighbour = cluster_.Generate(LocalCluster::MakeRequest("a neighbour", 50));
  EXPECT_TRUE(neighbour.complete()) << neighbour.why();
  AwaitTrue("the engine is free", [&] { return decoder.at_rest(); });
  EXPECT_THAT(slow.HearUntil("slow_reader"), HasSubstr("slow_reader"));
}

}  // namespace
}  // namespace triptych::cluster_test
