#pragma once

#include <map>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "fmt/format.h"

namespace triptych::fakes {

// What a client of an HTTP server has heard.
struct HttpHeard {
  int status = 0;  // 0: the connection ended before the answer did
  std::map<std::string, std::string> headers;
  std::string body;  // of a chunked answer, the chunks joined
};

// A connection to a port of this machine that waits for what it sends and hears.
class HttpTalk {
 public:
  // With a small window, little is under way unread.
  enum class Window { kUsual, kSmall };
  explicit HttpTalk(int port, Window window = Window::kUsual) {
    socket_.open(boost::asio::ip::tcp::v4());
    if (window == Window::kSmall)
      socket_.set_option(boost::asio::socket_base::receive_buffer_size(4096));
    socket_.connect({boost::asio::ip::address_v4::loopback(), static_cast<uint16_t>(port)});
  }

  void Send(const std::string& bytes) {
    boost::system::error_code error;  // the server may close before it has read all
    boost::asio::write(socket_, boost::asio::buffer(bytes), error);
  }
  // One whole answer.
  HttpHeard Hear(bool to_head = false) {
    boost::system::error_code error;
    boost::beast::http::response_parser<boost::beast::http::string_body> parser;
    parser.body_limit(boost::none);
    if (to_head) parser.skip(true);
    boost::beast::http::read(socket_, buffer_, parser, error);
    if (error) return {};
    HttpHeard heard{.status = static_cast<int>(parser.get().result_int())};
    for (const auto& field : parser.get())
      heard.headers[std::string(field.name_string())] = std::string(field.value());
    heard.body = parser.get().body();
    return heard;
  }
  // The bytes as they come, up to and with `text`; all that came if the connection ends before.
  std::string HearUntil(const std::string& text) {
    std::string bytes;
    while (bytes.find(text) == bytes.npos) {
      char piece[4096];
      boost::system::error_code error;
      const size_t size = socket_.read_some(boost::asio::buffer(piece), error);
      if (error) break;
      bytes.append(piece, size);
    }
    return bytes;
  }
  std::string HearAll() { return HearUntil(std::string(1, '\0')); }
  void Close() { socket_.close(); }

 private:
  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_{io_};
  boost::beast::flat_buffer buffer_;
};

inline std::string HttpGet(const std::string& path, const std::string& headers = "") {
  return fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n", path, headers);
}

inline std::string HttpPost(const std::string& path,
                            const std::string& json,
                            const std::string& headers = "") {
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n{}\r\n{}",
      path,
      json.size(),
      headers,
      json);
}

}  // namespace triptych::fakes
