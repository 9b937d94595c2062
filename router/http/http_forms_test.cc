// Errors, headers, pages, articles' bodies and paths.
#include "common/status_reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "router/http/article_route.h"
#include "router/http/call_headers.h"
#include "router/http/error_reply.h"
#include "router/http/page_route.h"
#include "router/http/percent_decode.h"

namespace triptych::router {
namespace {

using testing::HasSubstr;

TEST(ErrorReplyTest, HasOpenAisForm) {
  const HttpReply reply =
      ErrorReply(WithReason(InvalidArgument("n: must be 1"), "OUT_OF_RANGE", "n"));
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.content_type, "application/json");
  EXPECT_EQ(nlohmann::json::parse(reply.body),
            nlohmann::json::parse(R"({"error": {"message": "n: must be 1",
                "type": "invalid_request_error", "param": "n", "code": "out_of_range"}})"));
  const auto plain = nlohmann::json::parse(ErrorJson(Internal("broken")))["error"];
  EXPECT_EQ(plain["type"], "server_error");
  EXPECT_TRUE(plain["param"].is_null() && plain["code"].is_null());
}

TEST(ErrorReplyTest, EachCodeHasItsStatus) {
  const auto status_of = [](StatusCode code) { return HttpStatusOf(Status(code, "x")); };
  EXPECT_EQ(status_of(StatusCode::kInvalidArgument), 400);
  EXPECT_EQ(status_of(StatusCode::kUnauthenticated), 401);
  EXPECT_EQ(status_of(StatusCode::kPermissionDenied), 403);
  EXPECT_EQ(status_of(StatusCode::kNotFound), 404);
  EXPECT_EQ(status_of(StatusCode::kResourceExhausted), 429);
  EXPECT_EQ(status_of(StatusCode::kInternal), 500);
  EXPECT_EQ(status_of(StatusCode::kUnknown), 500);
  EXPECT_EQ(status_of(StatusCode::kUnimplemented), 501);
  EXPECT_EQ(status_of(StatusCode::kUnavailable), 503);
  EXPECT_EQ(status_of(StatusCode::kDeadlineExceeded), 504);
  EXPECT_EQ(HttpStatusOf(WithReason(InvalidArgument("x"), kBodyTooLarge)), 413);
  EXPECT_EQ(HttpStatusOf(WithReason(InvalidArgument("x"), kMethod)), 405);
}

TEST(ErrorReplyTest, WhatPassesIsToBeTriedAgain) {
  EXPECT_EQ(ErrorReply(ResourceExhausted("full")).headers.size(), 1u);
  EXPECT_EQ(ErrorReply(Unavailable("draining")).headers.front().first, "Retry-After");
  EXPECT_TRUE(ErrorReply(Internal("broken")).headers.empty());
}

TEST(ErrorReplyTest, OpenAisNamesForOurReasons) {
  EXPECT_THAT(ErrorJson(WithReason(NotFound("x"), "MODEL_UNKNOWN")), HasSubstr("model_not_found"));
  EXPECT_THAT(ErrorJson(WithReason(InvalidArgument("x"), "PROMPT_TOO_LONG")),
              HasSubstr("context_length_exceeded"));
}

TEST(ErrorReplyTest, AMessageThatIsCutInACharacterIsStillJson) {
  const std::string message = std::string(1023, 'a') + "\xc3\xa4";
  EXPECT_NO_THROW(nlohmann::json::parse(ErrorJson(Internal("{}", message))));
}

StatusOr<CallHeaders> Headers(std::map<std::string, std::string, std::less<>> headers) {
  HttpRequest request;
  request.tenant = "mine";
  request.headers = std::move(headers);
  return ReadCallHeaders(request, RequestLimits{});
}

TEST(CallHeadersTest, AreThoseOfTheCall) {
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto headers = Headers({{"authorization", "Bearer me"},
                                {"traceparent", trace},
                                {"x-request-id", "r.1"},
                                {"x-request-timeout", "2.5"}});
  ASSERT_TRUE(headers.ok());
  EXPECT_EQ(headers->info.tenant, "mine");
  EXPECT_EQ(headers->info.credentials, "") << "they are kept nowhere";
  EXPECT_EQ(headers->info.trace_parent, trace);
  EXPECT_EQ(headers->request_id, "r.1");
  const auto left = headers->info.deadline - std::chrono::steady_clock::now();
  EXPECT_GT(left, std::chrono::milliseconds(1000));
  EXPECT_LE(left, std::chrono::milliseconds(2500));
}

TEST(CallHeadersTest, WithoutThemThereIsAnIdAndNoDeadline) {
  const auto headers = Headers({{"traceparent", "00-\xff"}});
  ASSERT_TRUE(headers.ok());
  EXPECT_EQ(headers->info.trace_parent, "");
  EXPECT_EQ(headers->request_id.size(), 16u);
  EXPECT_EQ(headers->info.deadline, TimePoint::max());
}

TEST(CallHeadersTest, BadOnesAreNamed) {
  EXPECT_EQ(FieldOf(Headers({{"x-request-id", "a b"}}).status()), "X-Request-Id");
  for (const char* timeout : {"0", "-1", "nan", "inf", "1e9", "2s", "soon"})
    EXPECT_EQ(FieldOf(Headers({{"x-request-timeout", timeout}}).status()), "X-Request-Timeout")
        << timeout;
}

TEST(PercentDecodeTest, GivesPlainPaths) {
  EXPECT_EQ(PercentDecode("/a%2Fb%20c"), "/a/b c");
  EXPECT_EQ(PercentDecode("/"), "/");
  for (const char* bad : {"", "a", "/%", "/%2", "/%g0"}) EXPECT_FALSE(PercentDecode(bad)) << bad;
}

TEST(PageTest, FilesHaveTypesTagsAndAPolicy) {
  const std::span<const EmbeddedFile> files = PageFiles();
  const auto index = std::ranges::find(files, "index.html", &EmbeddedFile::name);
  ASSERT_NE(index, files.end());
  const HttpReply page = PageReply(*index, {});
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_THAT(page.body, HasSubstr("</html>"));
  EXPECT_THAT(page.headers,
              testing::Contains(testing::Pair("Content-Security-Policy",
                                              HasSubstr("default-src 'none'; script-src 'self'"))));
  HttpRequest again;
  again.headers["if-none-match"] = std::string(index->etag);
  EXPECT_EQ(PageReply(*index, again).status, 304);
  EXPECT_EQ(PageReply(*index, again).body, "");
  for (const EmbeddedFile& file : files) EXPECT_FALSE(file.content_type.empty()) << file.name;
}

TEST(ArticleRequestTest, IsProto3Json) {
  const auto request = ReadArticleRequest(
      R"({"instruction": "harbour", "max_images": 2, "maxNewTokens": 9,
          "images": [{"data": "Zm9vYmFy"}], "sampling": {"seed": "18446744073709551615"}})");
  ASSERT_TRUE(request.ok()) << Message(request.status());
  EXPECT_EQ(request->instruction(), "harbour");
  EXPECT_EQ(request->max_images(), 2u);
  EXPECT_EQ(request->max_new_tokens(), 9u);
  EXPECT_EQ(request->images(0).data(), "foobar");
  EXPECT_EQ(request->sampling().seed(), ~uint64_t{0});
}

TEST(ArticleRequestTest, WhatIsWrongIsNamed) {
  for (const auto& [body, says] : std::map<std::string, std::string>{
           {"", "not the JSON"},
           {"[]", "no object"},
           {"{'instruction': 'x'}", "parse error"},
           {R"({"instruktion": "x"})", "instruktion"},
           {R"({"instruction": 7})", "instruction"},
           {R"({"max_images": -1})", "max_images"},
           {R"({"images": [{"data": "@"}]})", "data"},
           {R"({"images": 7})", "images"}}) {
    const Status status = ReadArticleRequest(body).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << body;
    EXPECT_THAT(std::string(Message(status)), HasSubstr(says)) << body;
  }
}

}  // namespace
}  // namespace triptych::router
