#include "fmt/format.h"
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "common/limits.h"
#include "common/metrics/exposer.h"
#include "common/metrics/registry.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(MetricRegistry, SameNameAndLabelsIsTheSameMetric) {
  MetricRegistry registry;
  registry.Counter("triptych_test_events_total", "Events.", {{"kind", "a"}}).Increment();
  registry.Counter("triptych_test_events_total", "Events.", {{"kind", "a"}}).Increment();
  registry.Counter("triptych_test_events_total", "Events.", {{"kind", "b"}}).Increment();
  const std::string text = registry.Serialize();
  EXPECT_THAT(text, HasSubstr("triptych_test_events_total{kind=\"a\"} 2"));
  EXPECT_THAT(text, HasSubstr("triptych_test_events_total{kind=\"b\"} 1"));
  EXPECT_THAT(text, HasSubstr("# TYPE triptych_test_events_total counter"));
}

TEST(MetricRegistry, WhatChangesByItselfIsAskedBeforeEachReading) {
  MetricRegistry registry;
  auto& age = registry.Gauge("triptych_test_age", "Age.");
  int asked = 0;
  registry.BeforeRead([&] { age.Set(++asked); });
  EXPECT_THAT(registry.Serialize(), HasSubstr("triptych_test_age 1\n"));
  EXPECT_THAT(registry.Serialize(), HasSubstr("triptych_test_age 2\n"));
}

TEST(MetricRegistry, LabelValuesAreBoundedAndEscaped) {
  MetricRegistry registry;
  for (int i = 0; i < kMaxMetricLabelValues + 50; ++i) {
    registry.Gauge("triptych_test_depth", "Depth.", {{"tenant", std::to_string(i)}}).Set(i);
  }
  EXPECT_THAT(registry.Serialize(), HasSubstr("tenant=\"other\""));
  EXPECT_THAT(registry.Serialize(), testing::Not(HasSubstr(fmt::format("\"{}\"", kMaxMetricLabelValues + 1))));
  registry.Gauge("triptych_test_other_depth", "Depth.", {{"tenant", "\"} x{"}}).Set(1);
  EXPECT_THAT(registry.Serialize(), HasSubstr("tenant=\"\\\"} x{\""));
}

// Sends bytes as they are and gives all that comes back.
std::string Exchange(int port, const std::string& bytes) {
  boost::asio::io_context io;
  boost::asio::ip::tcp::socket socket(io);
  socket.connect({boost::asio::ip::address_v4::loopback(), static_cast<uint16_t>(port)});
  std::string reply;
  boost::system::error_code error;
  boost::asio::write(socket, boost::asio::buffer(bytes), error);  // the server may close before it has read all
  boost::asio::read(socket, boost::asio::dynamic_buffer(reply), error);
  return reply;
}

std::string Get(int port, const std::string& path, const std::string& method = "GET") {
  return Exchange(port, method + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
}

class ExposerTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(exposer_.Start().ok()); }
  MetricRegistry registry_;
  Status ready_ = Unavailable("no decoder is ready");
  HttpExposer exposer_{Endpoint{}, &registry_, {.alive = [] { return OkStatus(); }, .ready = [this] { return ready_; }}};
};

TEST_F(ExposerTest, AnswersItsPages) {
  registry_.Counter("triptych_test_events_total", "Events.").Increment();
  EXPECT_THAT(Get(exposer_.port(), "/metrics"), HasSubstr("triptych_test_events_total 1"));
  EXPECT_THAT(Get(exposer_.port(), "/healthz"), StartsWith("HTTP/1.1 200"));
  const std::string unready = Get(exposer_.port(), "/readyz?x=1");
  EXPECT_THAT(unready, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(unready, HasSubstr("no decoder is ready"));
  EXPECT_THAT(Get(exposer_.port(), "/elsewhere"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Get(exposer_.port(), "/metrics", "POST"), StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(Get(exposer_.port(), "/healthz", "HEAD"), testing::Not(HasSubstr("ok\n")));
}

TEST_F(ExposerTest, GarbageAndHugeHeadersCloseTheConnectionAlone) {
  Exchange(exposer_.port(), "\x16\x03\x01 not http\r\n\r\n");
  Exchange(exposer_.port(), "GET / HTTP/1.1\r\nX: " + std::string(64 << 10, 'a') + "\r\n\r\n");
  EXPECT_THAT(Get(exposer_.port(), "/healthz"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ExposerTest, APortInUseIsNamed) {
  HttpExposer second(Endpoint{"127.0.0.1", exposer_.port()}, &registry_, {});
  const Status status = second.Start();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(status)), HasSubstr(std::to_string(exposer_.port())));
}

}  // namespace
}  // namespace triptych
