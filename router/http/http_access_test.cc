#include <set>

#include "common/status_reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/api_keys.h"
#include "router/http/http_server.h"
#include "router/http/page_route.h"
#include "router/http/routes.h"
#include "tests/cluster/await.h"
#include "tests/fakes/http_talk.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/test_certificate.h"
#include "tests/fakes/tls_talk.h"

namespace triptych::router {
namespace {

using cluster_test::AwaitTrue;
using fakes::HttpGet;
using fakes::HttpHeard;
using fakes::HttpPost;
using fakes::HttpTalk;
using fakes::TlsTalk;
using testing::HasSubstr;
using testing::StartsWith;

// Says whose request it is.
Task<Status> TellTenant(std::shared_ptr<HttpExchange> exchange) {
  exchange->Reply({.body = "tenant " + exchange->request().tenant + exchange->TakeBody()});
  co_return OkStatus();
}

Task<Status> Count(std::shared_ptr<HttpExchange> exchange) {
  for (int i = 1; i <= 3; ++i) {
    Task<bool> send = exchange->SendEvents({std::to_string(i)});
    const bool sent = co_await std::move(send);
    if (!sent) co_return Cancelled("gone");
  }
  co_return OkStatus();
}

// Sends an event, and another as soon as it is told to.
struct Gate {
  std::atomic<bool> open{false}, waits{false}, gone{false};
};
Task<Status> SendTwice(std::shared_ptr<Gate> gate, std::shared_ptr<HttpExchange> exchange) {
  exchange->OnGone([gate] { gate->gone = true; });
  Task<bool> first = exchange->SendEvents({"first"});
  co_await std::move(first);
  gate->waits = true;
  while (!gate->open && !gate->gone) {
    Task<bool> pause = SleepFor(std::chrono::milliseconds(5));
    co_await std::move(pause);
  }
  Task<bool> second = exchange->SendEvents({"second"});
  co_await std::move(second);
  co_return OkStatus();
}

class HttpAccessTest : public testing::Test {
 protected:
  void Put(const fakes::TestCertificate& issued) {
    folder_.Write("tls.crt", issued.certificate);
    folder_.Write("tls.key", issued.key);
  }
  std::unique_ptr<HttpServer> Start(HttpServer::Options options) {
    auto server = std::make_unique<HttpServer>(&runtime_, std::move(options), &metrics_);
    server->AddRoute({"/tenant", true, "test", TellTenant});
    server->AddRoute({"/count", true, "test", Count});
    server->AddRoute({"/twice", true, "test", [gate = gate_](auto exchange) { return SendTwice(gate, std::move(exchange)); }});
    AddInferenceRoutes(*server, {}, nullptr);  // whose handlers are never come to
    AddProbeRoutes(*server, [] { return OkStatus(); });
    AddPageRoutes(*server, PageFiles());
    EXPECT_TRUE(server->Start().ok());
    return server;
  }
  std::unique_ptr<HttpServer> StartTls(const std::string& client_ca = "") {
    Put(authority_.Issue("IP:127.0.0.1"));
    const TlsFiles files{folder_.File("tls.crt"), folder_.File("tls.key"), client_ca};
    return Start({.tls = TlsSource::Open("tls", files, /*pause=*/Duration::zero()).value()});
  }

  fakes::TemporaryFolder folder_;
  fakes::TestAuthority authority_;
  IoRuntime runtime_{2};
  MetricRegistry registry_;
  Metrics metrics_{&registry_};
  const std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
};

TEST_F(HttpAccessTest, AllRoutesNeedAKeyButProbesAndPage) {
  const std::unique_ptr<ApiKeys> keys = ApiKeys::Open(folder_.Write("keys", "alice:0123456789abcdef")).value();
  const auto server = Start({.tenants = [&](std::string_view credentials) { return keys->TenantOf(credentials); }});
  const auto ask = [&](const HttpRoute& route, const std::string& headers) {
    HttpTalk talk(server->port());
    talk.Send(route.takes_json ? HttpPost(route.path, "{}", headers) : HttpGet(route.path, headers));
    return talk.Hear();
  };
  std::set<std::string> open = {"/", "/healthz", "/readyz"};
  for (const EmbeddedFile& file : PageFiles()) open.insert("/" + std::string(file.name));
  for (const HttpRoute& route : server->routes()) {
    EXPECT_EQ(route.open, open.contains(route.path)) << route.path;
    if (route.open) {
      EXPECT_EQ(ask(route, "").status, 200) << route.path;
      continue;
    }
    for (const char* headers : {"", "Authorization: Bearer 0123456789abcdeg\r\n", "Authorization: Basic YTpi\r\n"}) {
      HttpHeard heard = ask(route, headers);
      EXPECT_EQ(heard.status, 401) << route.path << " " << headers;
      EXPECT_EQ(heard.headers["WWW-Authenticate"], "Bearer");
      EXPECT_THAT(heard.body, StartsWith("{\"error\":{\"code\":\""));
      EXPECT_THAT(heard.body, HasSubstr("api_key\""));
      EXPECT_THAT(heard.body, HasSubstr("\"type\":\"authentication_error\""));
    }
  }
  HttpTalk talk(server->port());
  talk.Send(HttpPost("/tenant", "{}", "Authorization: Bearer 0123456789abcdef\r\n"));
  EXPECT_EQ(talk.Hear().body, "tenant " + TenantOfName("alice") + "{}");
}

TEST_F(HttpAccessTest, WithoutKeysTheTenantIsWhatTheHeaderSays) {
  const auto server = Start({});
  HttpTalk talk(server->port());
  talk.Send(HttpPost("/tenant", "{}", "Authorization: Bearer me\r\n"));
  EXPECT_EQ(talk.Hear().body, "tenant " + TenantOf("Bearer me") + "{}");
  talk.Send(HttpPost("/tenant", "{}"));
  EXPECT_EQ(talk.Hear().body, "tenant {}");
}

TEST_F(HttpAccessTest, OverTlsItIsTheSame) {
  const auto server = StartTls();
  TlsTalk talk(server->port(), authority_.certificate());
  ASSERT_EQ(talk.problem(), "");
  for (int i = 0; i < 2; ++i) {
    talk.Send(HttpPost("/count", "{}"));
    const HttpHeard heard = talk.Hear();
    EXPECT_EQ(heard.status, 200);
    EXPECT_EQ(heard.body, "data: 1\n\ndata: 2\n\ndata: 3\n\n");
  }
  const std::string body(3 << 20, 'x');  // of many records
  talk.Send(HttpPost("/tenant", body));
  EXPECT_EQ(talk.Hear().body, "tenant " + body);
  talk.Send(HttpGet("/healthz") + HttpGet("/healthz", "Connection: close\r\n"));
  EXPECT_EQ(talk.Hear().body, "ok\n");
  EXPECT_EQ(talk.Hear().body, "ok\n");
  EXPECT_TRUE(talk.HearsFarewell());
}

TEST_F(HttpAccessTest, WhoeverSpeaksNoTlsOrTrustsAnotherIsNotServed) {
  const auto server = StartTls();
  HttpTalk plain(server->port());
  plain.Send(HttpGet("/healthz"));
  EXPECT_EQ(plain.Hear().status, 0);
  EXPECT_THAT(TlsTalk(server->port(), fakes::TestAuthority().certificate()).problem(), HasSubstr("certificate verify failed"));
  EXPECT_NE(TlsTalk(server->port(), authority_.certificate(), {.newest = TLS1_1_VERSION}).problem(), "");
  EXPECT_EQ(TlsTalk(server->port(), authority_.certificate(), {.newest = TLS1_2_VERSION}).problem(), "");
  AwaitTrue("all are gone", [&] {
    return registry_.Serialize().find("\ntriptych_router_http_connections 0") != std::string::npos;
  });
}

TEST_F(HttpAccessTest, ClientsShowCertificatesWhereTheyHaveTo) {
  const auto server = StartTls(folder_.Write("clients.ca", authority_.certificate()));
  const auto status = [&](const TlsTalk::Options& options) {
    TlsTalk talk(server->port(), authority_.certificate(), options);
    talk.Send(HttpGet("/healthz"));
    return talk.Hear().status;
  };
  const auto known = authority_.Issue("DNS:client"), unknown = fakes::TestAuthority().Issue("DNS:client");
  EXPECT_EQ(status({}), 0);
  EXPECT_EQ(status({.certificate = unknown.certificate, .key = unknown.key}), 0);
  EXPECT_EQ(status({.certificate = known.certificate, .key = known.key}), 200);
}

TEST_F(HttpAccessTest, ANewCertificateIsForNewConnectionsAndCutsNoStream) {
  const auto server = StartTls();
  TlsTalk old(server->port(), authority_.certificate());
  old.Send(HttpPost("/twice", "{}"));
  AwaitTrue("it waits", [&] { return gate_->waits.load(); });
  const fakes::TestAuthority next;
  Put(next.Issue("IP:127.0.0.1"));
  EXPECT_NE(TlsTalk(server->port(), authority_.certificate()).problem(), "");
  EXPECT_EQ(TlsTalk(server->port(), next.certificate()).problem(), "");
  gate_->open = true;
  EXPECT_EQ(old.Hear().body, "data: first\n\ndata: second\n\n");
  old.Send(HttpGet("/healthz"));
  EXPECT_EQ(old.Hear().status, 200);
}

TEST_F(HttpAccessTest, AVanishedClientIsNoticedThroughTls) {
  const auto server = StartTls();
  {
    TlsTalk talk(server->port(), authority_.certificate());
    talk.Send(HttpPost("/twice", "{}"));
    AwaitTrue("it waits", [&] { return gate_->waits.load(); });
  }
  AwaitTrue("it is gone", [&] { return gate_->gone.load(); });
  AwaitTrue("all is over", [&] { return server->open_requests() == 0; });
}

}  // namespace
}  // namespace triptych::router
