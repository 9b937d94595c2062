#pragma once

#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "tests/fakes/http_talk.h"

namespace triptych::fakes {

// HttpTalk over TLS.
class TlsTalk {
 public:
  struct Options {
    int newest = 0;  // version of TLS; 0: any
    std::string certificate, key;  // PEM; empty: none
  };
  TlsTalk(int port, const std::string& authority) : TlsTalk(port, authority, Options{}) {}
  TlsTalk(int port, const std::string& authority, const Options& options) {
    namespace ssl = boost::asio::ssl;
    context_.add_certificate_authority(boost::asio::buffer(authority));
    context_.set_verify_mode(ssl::verify_peer);
    if (options.newest != 0) {
      SSL_CTX_set_max_proto_version(context_.native_handle(), options.newest);
      SSL_CTX_set_cipher_list(context_.native_handle(), "DEFAULT@SECLEVEL=0");  // else no old version is even offered
    }
    if (!options.certificate.empty()) {
      context_.use_certificate_chain(boost::asio::buffer(options.certificate));
      context_.use_private_key(boost::asio::buffer(options.key), ssl::context::pem);
    }
    stream_.emplace(io_, context_);
    stream_->next_layer().connect({boost::asio::ip::address_v4::loopback(), static_cast<uint16_t>(port)});
    boost::system::error_code error;
    stream_->handshake(ssl::stream_base::client, error);
    if (error) problem_ = error.message();
  }

  const std::string& problem() const { return problem_; }  // of the handshake; empty: none
  void Send(const std::string& bytes) {
    boost::system::error_code error;
    boost::asio::write(*stream_, boost::asio::buffer(bytes), error);
  }
  HttpHeard Hear() {
    boost::system::error_code error;
    boost::beast::http::response_parser<boost::beast::http::string_body> parser;
    parser.body_limit(boost::none);
    boost::beast::http::read(*stream_, buffer_, parser, error);
    if (error) return {};
    return {.status = static_cast<int>(parser.get().result_int()), .body = parser.get().body()};
  }
  // Whether the server ends the connection as TLS wants it, rather than cutting it.
  bool HearsFarewell() {
    char byte = 0;
    boost::system::error_code error;
    stream_->read_some(boost::asio::buffer(&byte, 1), error);
    return error == boost::asio::error::eof;
  }

 private:
  boost::asio::io_context io_;
  boost::asio::ssl::context context_{boost::asio::ssl::context::tls_client};
  std::optional<boost::asio::ssl::stream<boost::asio::ip::tcp::socket>> stream_;
  boost::beast::flat_buffer buffer_;
  std::string problem_;
};

}  // namespace triptych::fakes
