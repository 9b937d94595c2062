#include "router/http/http_server.h"

#include <condition_variable>
#include <mutex>
#include <set>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/check.h"
#include "common/status_reason.h"
#include "router/http/error_reply.h"
#include "router/http/http_connection.h"
#include "router/http/tls_contexts.h"

namespace triptych::router {
namespace {

using tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kPause{100};  // where no connection can be taken
constexpr std::chrono::seconds kStop{5};

Task<Status> AnswerAtOnce(HttpServer::Answer answer, std::shared_ptr<HttpExchange> exchange) {
  StatusOr<HttpReply> reply = answer(exchange->request());
  if (reply.ok()) exchange->Reply(*std::move(reply));
  co_return reply.status();
}

// What a connection too many hears before it is closed.
std::string Full() {
  const HttpReply reply = ErrorReply(
      WithReason(Unavailable("too many connections: try again"), "CONNECTIONS_FULL"));
  return fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
      "Content-Type: {}\r\nContent-Length: {}\r\n\r\n{}",
      reply.content_type,
      reply.body.size(),
      reply.body);
}

}  // namespace

class HttpServer::Impl final : public std::enable_shared_from_this<HttpServer::Impl> {
 public:
  Impl(IoRuntime* runtime, Options options, Metrics* metrics)
      : runtime_(*runtime),
        options_(std::move(options)),
        contexts_(options_.tls),
        strand_(runtime->MakeStrand()),
        acceptor_(strand_) {
    shared_->metrics = metrics;
    shared_->tenants = options_.tenants;
  }

  HttpShared& shared() { return *shared_; }
  int port() const { return port_; }

  Status Start() {
    TRIPTYCH_RETURN_IF_ERROR(Bind());
    IoRuntime::Spawn(strand_, Accept(shared_from_this()));
    return OkStatus();
  }

  void Drain() {
    shared_->draining = true;
    std::lock_guard lock(mutex_);
    for (const auto& connection : connections_) connection->CloseIdle();
  }

  void Stop() {
    std::unique_lock lock(mutex_);
    if (std::exchange(stopped_, true) || port_ == 0) return;
    asio::post(strand_, [self = shared_from_this()] {
      error_code ignored;
      self->acceptor_.close(ignored);
    });
    for (const auto& connection : connections_) connection->Close();
    changed_.wait_for(lock, kStop, [&] { return connections_.empty() && !accepting_; });
  }

 private:
  Status Bind() {
    const std::string address = options_.listen.ToString();
    error_code error;
    tcp::resolver resolver(strand_);
    const auto found =
        resolver.resolve(options_.listen.host, std::to_string(options_.listen.port), error);
    if (error) return FailedPrecondition("cannot resolve {}", address);
    const tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return FailedPrecondition("cannot listen on {}: {}", address, error.message());
    port_ = acceptor_.local_endpoint().port();
    accepting_ = true;
    return OkStatus();
  }

  static Task<void> Accept(std::shared_ptr<Impl> self) {
    while (self->acceptor_.is_open()) {
      error_code error;
      const Strand strand = self->runtime_.MakeStrand();
      const asio::any_io_executor executor = strand;
      tcp::socket socket = co_await self->acceptor_.async_accept(
          executor, asio::redirect_error(asio::use_awaitable, error));
      if (!error) {
        self->Take(std::move(socket), strand);
      } else if (error != asio::error::operation_aborted) {  // out of descriptors, for example
        Task<bool> pause = SleepFor(kPause);
        co_await std::move(pause);
      }
    }
    std::lock_guard lock(self->mutex_);
    self->accepting_ = false;
    self->changed_.notify_all();
  }

  void Take(tcp::socket socket, const Strand& strand) {
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    if (std::cmp_greater_equal(connections_.size(), options_.max_connections)) {
      shared_->metrics->HttpConnectionRefused();
      if (contexts_.enabled()) return;
      error_code ignored;
      socket.non_blocking(true, ignored);
      socket.send(asio::buffer(Full()), 0, ignored);
      socket.shutdown(tcp::socket::shutdown_send, ignored);
      return;
    }
    auto connection = std::make_shared<HttpConnection>(
        shared_, std::move(socket), contexts_.Current(), strand);
    connections_.insert(connection);
    shared_->metrics->HttpConnectionOpened();
    IoRuntime::Spawn(strand, Serve(shared_from_this(), std::move(connection)));
  }

  static Task<void> Serve(std::shared_ptr<Impl> self, std::shared_ptr<HttpConnection> connection) {
    Task<void> run = HttpConnection::Run(connection);
    co_await std::move(run);
    std::lock_guard lock(self->mutex_);
    self->connections_.erase(connection);
    self->shared_->metrics->HttpConnectionClosed();
    self->changed_.notify_all();
  }

  IoRuntime& runtime_;
  const Options options_;
  TlsContexts contexts_;
  const std::shared_ptr<HttpShared> shared_ = std::make_shared<HttpShared>();
  const Strand strand_;
  tcp::acceptor acceptor_;
  int port_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::shared_ptr<HttpConnection>> connections_;  // guarded by mutex_, as below
  bool accepting_ = false;
  bool stopped_ = false;
};

HttpServer::HttpServer(IoRuntime* runtime, Options options, Metrics* metrics)
    : impl_(std::make_shared<Impl>(runtime, std::move(options), metrics)) {}

HttpServer::~HttpServer() { Stop(); }

void HttpServer::AddRoute(HttpRoute route) {
  TRIPTYCH_CHECK(impl_->port() == 0);
  impl_->shared().routes.Add(std::move(route));
}

void HttpServer::AddReadable(std::string path, std::string endpoint, Answer answer, bool open) {
  AddRoute({.path = std::move(path),
            .takes_json = false,
            .endpoint = std::move(endpoint),
            .handler = [answer = std::move(answer)](std::shared_ptr<HttpExchange> exchange) {
              return AnswerAtOnce(answer, std::move(exchange));
            },
            .open = open});
}

const std::vector<HttpRoute>& HttpServer::routes() const { return impl_->shared().routes.all(); }

Status HttpServer::Start() { return impl_->Start(); }

int HttpServer::port() const { return impl_->port(); }

void HttpServer::Drain() { impl_->Drain(); }

int64_t HttpServer::open_requests() const { return impl_->shared().open_requests; }

void HttpServer::Stop() { impl_->Stop(); }

}  // namespace triptych::router
