#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "common/async/change_signal.h"
#include "common/async/io_runtime.h"
#include "common/limits.h"
#include "router/http/http_exchange.h"
#include "router/http/http_routes.h"
#include "router/http/http_transport.h"
#include "router/metrics.h"
#include "router/tenant.h"

namespace triptych::router {

inline constexpr uint32_t kMaxHttpHeaderBytes = 16 << 10;
// Whatever gRPC takes, its pictures in Base64.
inline constexpr int64_t kMaxHttpBodyBytes = int64_t{kMaxGrpcMessageBytes} / 3 * 4 + (1 << 20);
// All bodies together that are being read or wait for their handler to take them.
inline constexpr int64_t kMaxHttpBodiesBytes = 512 << 20;

// What the connections of a server share. Thread-safe once the server runs.
struct HttpShared {
  HttpRoutes routes;
  Metrics* metrics = nullptr;
  TenantResolver tenants = TenantOf;
  std::atomic<bool> draining{false};
  std::atomic<int64_t> open_requests{0};
  std::atomic<int64_t> body_bytes{0};
};

// One client's connection: reads a request, has its route's handler answer it, and so on. Whoever
// is slow with a request's head, with its body or with reading an answer is cut off; a client that
// closes its connection, or its side of it, before it has its answer is gone. Lives on its strand.
class HttpConnection final : public HttpExchange,
                             public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(std::shared_ptr<HttpShared> shared,
                 asio::ip::tcp::socket socket,                 // on the strand
                 std::shared_ptr<asio::ssl::context> context,  // null: no TLS
                 Strand strand);

  static Task<void> Run(std::shared_ptr<HttpConnection> self);
  void Close();      // any thread, as the next
  void CloseIdle();  // where it waits for a request

  const HttpRequest& request() const override { return request_; }
  std::string TakeBody() override;
  const Strand& strand() const override { return strand_; }
  void SetHeader(std::string name, std::string value) override {
    headers_.emplace_back(std::move(name), std::move(value));
  }
  void Reply(HttpReply reply) override { reply_ = std::move(reply); }
  Task<bool> SendEvents(std::vector<std::string> events) override;
  void OnGone(std::function<void()> hook) override;

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  enum class Heard { kRequest, kRefused, kNothing };
  class BodyShare;

  static Task<bool> ShakeHands(std::shared_ptr<HttpConnection> self);
  static Task<bool> ServeNext(std::shared_ptr<HttpConnection> self);
  static Task<Heard> Hear(std::shared_ptr<HttpConnection> self);
  static Task<Heard> HearBody(std::shared_ptr<HttpConnection> self);
  static Task<void> Handle(std::shared_ptr<HttpConnection> self);
  static Task<void> Watch(std::shared_ptr<HttpConnection> self);
  static Task<void> EndWatch(std::shared_ptr<HttpConnection> self);
  static Task<bool> Write(std::shared_ptr<HttpConnection> self, std::string bytes);
  static Task<void> WriteReply(std::shared_ptr<HttpConnection> self);
  static Task<void> Linger(std::shared_ptr<HttpConnection> self);

  void Forget();  // the last request
  Status TakeHead();
  Status CheckRoute();
  Heard Refuse(const Status& status);
  std::string StreamHead() const;
  std::string Chunk(std::string_view data) const;
  void Gone();
  boost::beast::tcp_stream& tcp() { return stream_.tcp(); }  // for its time limits, and its end
  bool keeps_alive() const { return keep_alive_ && !gone_ && !shared_->draining; }

  const std::shared_ptr<HttpShared> shared_;
  const Strand strand_;
  HttpTransport stream_;
  boost::beast::flat_buffer buffer_;
  const std::string peer_;
  asio::steady_timer write_over_;  // cancelled when it is: several may wait
  ChangeSignal::Waiter watch_over_;
  bool writing_ = false, watching_ = false, watch_ends_ = false;
  bool idle_ = false;
  bool gone_ = false;

  // Of the request that is served.
  std::optional<Parser> parser_;
  std::shared_ptr<BodyShare> share_;
  HttpRequest request_;
  const HttpRoute* route_ = nullptr;
  bool keep_alive_ = false;
  bool chunked_ = false;    // else an answer's stream ends with the connection
  bool streaming_ = false;  // the head of a stream is written
  std::vector<std::pair<std::string, std::string>> headers_;
  std::optional<HttpReply> reply_;
  std::function<void()> on_gone_;
};

}  // namespace triptych::router
