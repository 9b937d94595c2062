#include "common/metrics/exposer.h"

#include <chrono>
#include <map>
#include <thread>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

namespace triptych {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

constexpr int kMaxConnections = 32;
constexpr uint32_t kMaxHeaderBytes = 16 << 10;
constexpr uint64_t kMaxBodyBytes = 1 << 10;
constexpr std::chrono::seconds kIdle{30};

struct Reply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

Reply FromProbe(const std::function<Status()>& probe) {
  const Status status = probe();
  if (status.ok()) return {.body = "ok\n"};
  return {.status = 503, .body = std::string(Message(status)) + "\n"};
}

}  // namespace

// All of it but Start and Stop runs on `thread`.
struct HttpExposer::Impl {
  Endpoint listen;
  std::map<std::string, std::function<Reply()>, std::less<>> routes;
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  std::thread thread;
  int port = 0;
  int connections = 0;

  http::response<http::string_body> Answer(const http::request<http::string_body>& request) const {
    const std::string_view target(request.target().data(), request.target().size());
    const std::string_view path = target.substr(0, target.find('?'));
    const auto route = routes.find(path);
    const bool readable = request.method() == http::verb::get || request.method() == http::verb::head;
    Reply reply;
    if (route == routes.end()) {
      reply = {.status = 404, .body = "no such page\n"};
    } else if (!readable) {
      reply = {.status = 405, .body = "GET and HEAD only\n"};
    } else {
      reply = route->second();
    }
    http::response<http::string_body> response(static_cast<http::status>(reply.status), request.version());
    response.set(http::field::content_type, reply.content_type);
    response.keep_alive(request.keep_alive());
    response.content_length(reply.body.size());
    if (request.method() != http::verb::head) response.body() = std::move(reply.body);
    return response;
  }

  asio::awaitable<void> Serve(tcp::socket socket) {
    beast::tcp_stream stream(std::move(socket));
    beast::flat_buffer buffer(kMaxHeaderBytes + kMaxBodyBytes);
    beast::error_code error;
    while (!error) {
      http::request_parser<http::string_body> parser;
      parser.header_limit(kMaxHeaderBytes);
      parser.body_limit(kMaxBodyBytes);
      stream.expires_after(kIdle);
      co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
      if (error) break;
      http::response<http::string_body> response = Answer(parser.get());
      stream.expires_after(kIdle);
      co_await http::async_write(stream, response, asio::redirect_error(asio::use_awaitable, error));
      if (!response.keep_alive()) break;
    }
    stream.socket().shutdown(tcp::socket::shutdown_send, error);
    --connections;
  }

  asio::awaitable<void> Accept() {
    while (acceptor.is_open()) {
      beast::error_code error;
      tcp::socket socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error == asio::error::operation_aborted) co_return;
      if (error) {  // out of descriptors, for example: give it time
        asio::steady_timer pause(io, std::chrono::milliseconds(100));
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
        continue;
      }
      if (connections >= kMaxConnections) continue;  // closes it
      ++connections;
      asio::co_spawn(io, Serve(std::move(socket)), asio::detached);
    }
  }

  Status Bind() {
    beast::error_code error;
    tcp::resolver resolver(io);
    const auto found = resolver.resolve(listen.host, std::to_string(listen.port), error);
    if (error) return FailedPrecondition("cannot resolve {}", listen.ToString());
    const tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) return FailedPrecondition("cannot listen on {}: {}", listen.ToString(), error.message());
    port = acceptor.local_endpoint().port();
    return OkStatus();
  }
};

HttpExposer::HttpExposer(Endpoint listen, const MetricRegistry* registry, Probes probes) : impl_(std::make_unique<Impl>()) {
  impl_->listen = std::move(listen);
  impl_->routes["/metrics"] = [registry]() -> Reply {
    return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
            .body = registry->Serialize()};
  };
  impl_->routes["/healthz"] = [alive = std::move(probes.alive)] { return FromProbe(alive); };
  impl_->routes["/readyz"] = [ready = std::move(probes.ready)] { return FromProbe(ready); };
}

HttpExposer::~HttpExposer() { Stop(); }

Status HttpExposer::Start() {
  TRIPTYCH_RETURN_IF_ERROR(impl_->Bind());
  asio::co_spawn(impl_->io, impl_->Accept(), asio::detached);
  impl_->thread = std::thread([impl = impl_.get()] { impl->io.run(); });
  return OkStatus();
}

int HttpExposer::port() const { return impl_->port; }

void HttpExposer::Stop() {
  if (!impl_->thread.joinable()) return;
  impl_->io.stop();
  impl_->thread.join();
}

}  // namespace triptych
