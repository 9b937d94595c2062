#include "router/fetch/http_client.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/http_stand_in.h"
#include "tests/fakes/run_task.h"

namespace triptych::router {
namespace {

using testing::HasSubstr;

TEST(HttpUrlTest, IsTakenApart) {
  const HttpUrl url = HttpUrl::Parse("https://Example.org/image/similar?x=1#y").value();
  EXPECT_TRUE(url.tls);
  EXPECT_EQ(url.host, "example.org");
  EXPECT_EQ(url.port, "443");
  EXPECT_EQ(url.target, "/image/similar?x=1");
  EXPECT_EQ(HttpUrl::Parse("http://localhost:8080").value().port, "8080");
  EXPECT_EQ(HttpUrl::Parse("http://localhost?q").value().target, "/?q");
  EXPECT_EQ(HttpUrl::Parse("http://[::1]:81/a").value().host, "::1");
}

TEST(HttpUrlTest, WhatIsNoneIsRefused) {
  for (const char* wrong : {"",
                            "ftp://x",
                            "file:///etc/passwd",
                            "http://",
                            "http:///x",
                            "http://a b",
                            "http://x:0",
                            "http://x:70000",
                            "http://x:y",
                            "http://user@x/",
                            "http://allowed\\@evil/",
                            "http://x/\r\nHost: y",
                            "//x"}) {
    EXPECT_EQ(HttpUrl::Parse(wrong).status().code(), StatusCode::kInvalidArgument) << wrong;
  }
}

class HttpClientTest : public testing::Test {
 protected:
  StatusOr<std::string> Fetch(const std::string& path,
                              const std::string& json = "",
                              int64_t max_bytes = 1000,
                              std::chrono::milliseconds patience = std::chrono::seconds(30)) {
    const HttpUrl url = HttpUrl::Parse(server_.url() + path).value();
    const TimePoint deadline = std::chrono::steady_clock::now() + patience;
    return fakes::RunTask<StatusOr<std::string>>(
        FetchHttp(url, json, {.max_bytes = max_bytes, .deadline = deadline}));
  }
  fakes::HttpStandIn server_;
};

TEST_F(HttpClientTest, GetsAndPosts) {
  server_.Answer("/page", {.body = "hello"});
  EXPECT_EQ(Fetch("/page").value(), "hello");
  EXPECT_THAT(server_.requests().back(), HasSubstr("GET /page HTTP/1.1"));
  EXPECT_EQ(Fetch("/page", "{\"a\": 1}").value(), "hello");
  EXPECT_THAT(server_.requests().back(), HasSubstr("POST /page"));
  EXPECT_THAT(server_.requests().back(), HasSubstr("{\"a\": 1}"));
}

TEST_F(HttpClientTest, OtherStatusesAreErrorsAndRedirectsAreNotFollowed) {
  server_.Answer("/moved", {.status = 302, .headers = "Location: /page\r\n"});
  server_.Answer("/page", {.body = "secret"});
  const auto moved = Fetch("/moved");
  EXPECT_EQ(moved.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(std::string(Message(moved.status())), HasSubstr("302"));
  EXPECT_EQ(server_.requests().size(), 1u);
}

TEST_F(HttpClientTest, ALongAnswerIsRefusedAndASilentHostGivenUp) {
  server_.Answer("/long", {.body = std::string(2000, 'x')});
  EXPECT_EQ(Fetch("/long").status().code(), StatusCode::kResourceExhausted);
  server_.Answer("/silent", {.silent = true});
  EXPECT_EQ(Fetch("/silent", "", 1000, std::chrono::milliseconds(50)).status().code(),
            StatusCode::kDeadlineExceeded);
}

TEST_F(HttpClientTest, AHostThatCannotBeReachedIsNamed) {
  const HttpUrl url = HttpUrl::Parse("http://127.0.0.1:1/").value();
  const auto reply =
      fakes::RunTask<StatusOr<std::string>>(FetchHttp(url, "", {.max_bytes = 1000}));
  EXPECT_EQ(reply.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(std::string(Message(reply.status())), HasSubstr("127.0.0.1"));
}

TEST_F(HttpClientTest, WhoMayOnlyReachThePublicInternetIsNotLedElsewhere) {
  server_.Answer("/page", {.body = "secret"});
  const HttpUrl url = HttpUrl::Parse(server_.url() + "/page").value();
  const auto reply = fakes::RunTask<StatusOr<std::string>>(
      FetchHttp(url, "", {.max_bytes = 1000, .only_public = true}));
  EXPECT_EQ(reply.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(server_.requests().empty());
}

}  // namespace
}  // namespace triptych::router
