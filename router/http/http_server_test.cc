#include "router/http/http_server.h"

#include <atomic>
#include <stdexcept>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/status_reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/http/http_connection.h"
#include "tests/cluster/await.h"
#include "tests/fakes/http_talk.h"

namespace triptych::router {
namespace {

using cluster_test::AwaitTrue;
using fakes::HttpGet;
using fakes::HttpHeard;
using fakes::HttpPost;
using fakes::HttpTalk;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Task<Status> Echo(std::shared_ptr<HttpExchange> exchange) {
  const HttpRequest& request = exchange->request();
  std::string text = fmt::format("{} {} {} {}", request.method, request.path, request.rest,
                                 request.Header("x-word"));
  text += exchange->TakeBody();
  exchange->SetHeader("X-Answer", "42");
  exchange->Reply({.body = std::move(text)});
  co_return OkStatus();
}

Task<Status> Fail(std::shared_ptr<HttpExchange>) {
  co_return WithReason(InvalidArgument("colour: must be red"), "COLOUR", "colour");
}

Task<Status> Throw(std::shared_ptr<HttpExchange>) {
  throw std::runtime_error("a secret");
  co_return OkStatus();
}

Task<Status> Count(std::shared_ptr<HttpExchange> exchange) {
  for (int i = 1; i <= 3; ++i) {
    Task<bool> send = exchange->SendEvents({std::to_string(i)});
    const bool sent = co_await std::move(send);
    if (!sent) co_return Cancelled("gone");
  }
  const bool fails = exchange->TakeBody() == "{\"fail\":1}";
  co_return fails ? Internal("broken") : OkStatus();
}

constexpr int kMaxConnections = 8;

struct Flow {
  std::atomic<int> sent{0}, over{0}, gone{0};
};

// Sends as long as somebody reads.
Task<Status> Pour(std::shared_ptr<Flow> flow, std::shared_ptr<HttpExchange> exchange) {
  bool sent = true;
  while (sent) {
    Task<bool> send = exchange->SendEvents({std::string(64 << 10, 'x')});
    sent = co_await std::move(send);
    if (sent) ++flow->sent;
  }
  ++flow->over;
  co_return Cancelled("gone");
}

// Says nothing until its client is gone.
Task<Status> Wait(std::shared_ptr<Flow> flow, std::shared_ptr<HttpExchange> exchange) {
  auto timer = std::make_shared<asio::steady_timer>(exchange->strand(), TimePoint::max());
  exchange->OnGone([timer, flow] {
    ++flow->gone;
    timer->cancel();
  });
  ++flow->sent;
  boost::system::error_code ignored;
  co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  ++flow->over;
  co_return Cancelled("gone");
}

class HttpServerTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto add = [this](std::string path, bool json, HttpHandler handler) {
      server_.AddRoute({std::move(path), json, "test", std::move(handler)});
    };
    add("/things/", false, Echo);
    add("/echo", true, Echo);
    add("/fail", true, Fail);
    add("/throw", true, Throw);
    add("/count", true, Count);
    add("/pour", true, [flow = flow_](auto exchange) { return Pour(flow, std::move(exchange)); });
    add("/wait", true, [flow = flow_](auto exchange) { return Wait(flow, std::move(exchange)); });
    ASSERT_TRUE(server_.Start().ok());
  }
  HttpHeard Ask(const std::string& bytes) {
    HttpTalk talk(server_.port());
    talk.Send(bytes);
    return talk.Hear();
  }
  double Metric(const std::string& line) const {
    const std::string text = registry_.Serialize();
    const size_t found = text.find("\n" + line + " ");
    return found == text.npos ? 0 : std::stod(text.substr(found + line.size() + 2));
  }

  IoRuntime runtime_{2};
  MetricRegistry registry_;
  Metrics metrics_{&registry_};
  const std::shared_ptr<Flow> flow_ = std::make_shared<Flow>();
  HttpServer server_{&runtime_, {.listen = {}, .max_connections = kMaxConnections}, &metrics_};
};

TEST_F(HttpServerTest, AnswersOneRequestAfterAnotherOnOneConnection) {
  HttpTalk talk(server_.port());
  talk.Send(HttpGet("/things/a%20b?q=1", "X-Word: hello\r\n"));
  HttpHeard heard = talk.Hear();
  EXPECT_EQ(heard.status, 200);
  EXPECT_EQ(heard.body, "GET /things/a b a b hello");
  EXPECT_EQ(heard.headers["X-Answer"], "42");
  EXPECT_EQ(heard.headers["X-Content-Type-Options"], "nosniff");
  talk.Send(HttpPost("/echo", "{}"));
  EXPECT_EQ(talk.Hear().body, "POST /echo  {}");
  talk.Send("HEAD /things/seven HTTP/1.1\r\nHost: x\r\n\r\n" + HttpGet("/things/eight"));
  heard = talk.Hear(/*to_head=*/true);
  EXPECT_EQ(heard.body, "");
  EXPECT_EQ(heard.headers["Content-Length"], "25");
  EXPECT_EQ(talk.Hear().body, "GET /things/eight eight ");
  EXPECT_EQ(Metric("triptych_router_http_connections"), 1);
}

TEST_F(HttpServerTest, TakesBodiesInChunksAndAfterAskingForThem) {
  HttpTalk talk(server_.port());
  talk.Send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; charset=utf-8\r\n"
            "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(talk.HearUntil("\r\n\r\n"), StartsWith("HTTP/1.1 100 "));
  talk.Send("3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n");
  EXPECT_EQ(talk.Hear().body, "POST /echo  {\"a\":1}");
}

struct Refusal {
  const char* name;
  std::string bytes;
  int status;
  const char* says;
};
class Refusals : public HttpServerTest, public testing::WithParamInterface<Refusal> {};

TEST_P(Refusals, AreAnsweredAsErrorsOfOpenAi) {
  HttpTalk talk(server_.port());
  talk.Send(GetParam().bytes);
  const HttpHeard heard = talk.Hear();
  EXPECT_EQ(heard.status, GetParam().status);
  EXPECT_THAT(heard.body, StartsWith("{\"error\":{\"code\":"));
  EXPECT_THAT(heard.body, HasSubstr(GetParam().says));
  EXPECT_EQ(Ask(HttpGet("/things/x")).status, 200);
}

INSTANTIATE_TEST_SUITE_P(
    All,
    Refusals,
    testing::Values(
        Refusal{"Path", HttpGet("/nowhere"), 404, "no such path"},
        Refusal{"BadPath", HttpGet("/things/%zz"), 404, "no such path"},
        Refusal{"Absolute", HttpGet("http://x/things/a"), 404, "no such path"},
        Refusal{"GetOfPost", HttpGet("/echo"), 405, "POST only"},
        Refusal{"PostOfGet", HttpPost("/things/a", "{}"), 405, "GET and HEAD only"},
        Refusal{"Delete", "DELETE /things/a HTTP/1.1\r\nHost: x\r\n\r\n", 405, "GET and HEAD"},
        Refusal{"Options", "OPTIONS /echo HTTP/1.1\r\nHost: x\r\n\r\n", 405, "POST only"},
        Refusal{"BodyOfGet", HttpGet("/things/a", "Content-Length: 3\r\n") + "abc", 413, "no body"},
        Refusal{"Form",
                "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
                "Content-Length: 2\r\n\r\n{}",
                415, "application/json"},
        Refusal{"NoType", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 415,
                "application/json"},
        Refusal{"Gzip", HttpPost("/echo", "{}", "Content-Encoding: gzip\r\n"), 415,
                "Content-Encoding"},
        Refusal{"Huge",
                "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                "Content-Length: 99999999999\r\n\r\n{",
                413, "at most 45787816 bytes"},
        Refusal{"HugeHeader", HttpGet("/things/a", "X: " + std::string(20000, 'a') + "\r\n"), 431,
                "16384 bytes"},
        Refusal{"Garbage", "\x16\x03\x01 not http\r\n\r\n", 400, "not HTTP/1.1"},
        Refusal{"Error", HttpPost("/fail", "{}"), 400, "\"param\":\"colour\""},
        Refusal{"Exception", HttpPost("/throw", "{}"), 500, "internal error"}),
    [](const auto& info) { return info.param.name; });

TEST_F(HttpServerTest, StreamsEvents) {
  HttpTalk talk(server_.port());
  for (int i = 0; i < 2; ++i) {
    talk.Send(HttpPost("/count", "{}"));
    HttpHeard heard = talk.Hear();
    EXPECT_EQ(heard.status, 200);
    EXPECT_EQ(heard.headers["Content-Type"], "text/event-stream; charset=utf-8");
    EXPECT_EQ(heard.headers["Transfer-Encoding"], "chunked");
    EXPECT_EQ(heard.body, "data: 1\n\ndata: 2\n\ndata: 3\n\n");
  }
}

TEST_F(HttpServerTest, AnErrorInAStreamIsItsLastEvent) {
  const HttpHeard heard = Ask(HttpPost("/count", "{\"fail\":1}"));
  EXPECT_EQ(heard.status, 200);
  EXPECT_THAT(heard.body, StartsWith("data: 1\n\ndata: 2\n\ndata: 3\n\ndata: {\"error\":{"));
  EXPECT_THAT(heard.body, HasSubstr("\"message\":\"broken\""));
}

TEST_F(HttpServerTest, ToAnOldClientAStreamEndsWithItsConnection) {
  HttpTalk talk(server_.port());
  talk.Send(
      "POST /count HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
  const std::string heard = talk.HearAll();
  EXPECT_THAT(heard, StartsWith("HTTP/1.0 200 "));
  EXPECT_THAT(heard, testing::EndsWith("\r\n\r\ndata: 1\n\ndata: 2\n\ndata: 3\n\n"));
}

TEST_F(HttpServerTest, AVanishedClientIsNoticedAndOneThatSendsAheadIsNot) {
  HttpTalk gone(server_.port()), ahead(server_.port());
  gone.Send(HttpPost("/wait", "{}"));
  ahead.Send(HttpPost("/wait", "{}") + HttpGet("/things/later"));
  AwaitTrue("both wait", [&] { return flow_->sent == 2; });
  gone.Close();
  AwaitTrue("one is gone", [&] { return flow_->over == 1; });
  EXPECT_EQ(flow_->gone, 1);
  const std::string line =
      "triptych_router_http_requests_total{endpoint=\"test\",status=\"499\"}";
  AwaitTrue("it is counted", [&] { return Metric(line) == 1; });
  ahead.Close();
  AwaitTrue("the other is gone", [&] { return flow_->over == 2; });
  AwaitTrue("all is over", [&] { return server_.open_requests() == 0; });
}

TEST_F(HttpServerTest, NobodyPoursIntoAClientThatDoesNotRead) {
  HttpTalk talk(server_.port(), HttpTalk::Window::kSmall);
  talk.Send(HttpPost("/pour", "{}"));
  HttpTalk other(server_.port());
  AwaitTrue("it is full", [&] {
    const int before = flow_->sent;
    for (int i = 0; i < 100; ++i) {
      other.Send(HttpGet("/things/x"));
      EXPECT_EQ(other.Hear().status, 200);
    }
    return before > 0 && flow_->sent == before;
  });
  EXPECT_LT(flow_->sent, 1000);  // what the kernel's buffers hold, 64 KiB each
  talk.Close();
  AwaitTrue("it is over", [&] { return flow_->over == 1; });
}

TEST_F(HttpServerTest, ConnectionsBeyondTheLimitAreTurnedAway) {
  std::vector<std::unique_ptr<HttpTalk>> talks;
  for (int i = 0; i < kMaxConnections; ++i) {
    talks.push_back(std::make_unique<HttpTalk>(server_.port()));
    talks.back()->Send(HttpGet("/things/x"));
    EXPECT_EQ(talks.back()->Hear().status, 200);
  }
  const HttpHeard heard = HttpTalk(server_.port()).Hear();
  EXPECT_EQ(heard.status, 503);
  EXPECT_THAT(heard.body, HasSubstr("connections_full"));
  EXPECT_EQ(Metric("triptych_router_http_connections_refused_total"), 1);
  talks.pop_back();
  AwaitTrue("there is room", [&] {
    return Metric("triptych_router_http_connections") == kMaxConnections - 1;
  });
  EXPECT_EQ(Ask(HttpGet("/things/x")).status, 200);
}

TEST_F(HttpServerTest, DrainingEndsConnectionsWithTheirAnswers) {
  HttpTalk idle(server_.port()), busy(server_.port());
  idle.Send(HttpGet("/things/x"));
  EXPECT_EQ(idle.Hear().status, 200);
  busy.Send(HttpPost("/wait", "{}"));
  AwaitTrue("it waits", [&] { return flow_->sent == 1; });
  server_.Drain();
  EXPECT_EQ(idle.Hear().status, 0);
  EXPECT_EQ(server_.open_requests(), 1);
  HttpHeard heard = Ask(HttpGet("/things/x"));
  EXPECT_EQ(heard.status, 200);
  EXPECT_EQ(heard.headers["Connection"], "close");
  server_.Stop();
  EXPECT_EQ(flow_->over, 1);
}

TEST_F(HttpServerTest, APortInUseIsNamed) {
  HttpServer second(&runtime_, {.listen = {"127.0.0.1", server_.port()}}, &metrics_);
  const Status status = second.Start();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(status)), HasSubstr(std::to_string(server_.port())));
}

}  // namespace
}  // namespace triptych::router
