#pragma once

#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include "common/async/io_runtime.h"

namespace triptych::router {

// What a connection's bytes go through: its socket, or TLS over it. A stream of Asio's, with the
// time limits of Beast's, which hold for whatever TLS itself reads and writes too. On the
// connection's strand.
class HttpTransport {
 public:
  using executor_type = boost::beast::tcp_stream::executor_type;
  using Tls = boost::beast::ssl_stream<boost::beast::tcp_stream&>;

  HttpTransport(asio::ip::tcp::socket socket, std::shared_ptr<asio::ssl::context> context)  // null: no TLS
      : context_(std::move(context)), tcp_(std::move(socket)) {
    if (context_ != nullptr) tls_.emplace(tcp_, *context_);
  }

  executor_type get_executor() { return tcp_.get_executor(); }
  boost::beast::tcp_stream& tcp() { return tcp_; }
  Tls* tls() { return tls_ ? &*tls_ : nullptr; }

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    if (tls_) return tls_->async_read_some(buffers, std::forward<Token>(token));
    return tcp_.async_read_some(buffers, std::forward<Token>(token));
  }
  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    if (tls_) return tls_->async_write_some(buffers, std::forward<Token>(token));
    return tcp_.async_write_some(buffers, std::forward<Token>(token));
  }

 private:
  const std::shared_ptr<asio::ssl::context> context_;
  boost::beast::tcp_stream tcp_;
  std::optional<Tls> tls_;
};

}  // namespace triptych::router
