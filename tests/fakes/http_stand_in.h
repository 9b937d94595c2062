#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include "fmt/format.h"

namespace triptych::fakes {

// An HTTP server on a free port of this machine that gives fixed answers, one connection after
// another, and keeps what it was asked.
class HttpStandIn {
 public:
  struct Reply {
    int status = 200;
    std::string headers;  // whole lines
    std::string body;
    bool silent = false;  // says nothing until the client is gone
  };

  HttpStandIn() : thread_([this] { Serve(); }) {}
  ~HttpStandIn() {
    stopping_ = true;
    boost::asio::io_context io;
    boost::asio::ip::tcp::socket socket(io);
    boost::system::error_code ignored;
    socket.connect(acceptor_.local_endpoint(), ignored);  // wakes it
    thread_.join();
  }

  std::string url() const {
    return fmt::format("http://127.0.0.1:{}", acceptor_.local_endpoint().port());
  }
  void Answer(const std::string& path, Reply reply) {
    std::lock_guard lock(mutex_);
    replies_[path] = std::move(reply);
  }
  std::vector<std::string> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  using Socket = boost::asio::ip::tcp::socket;

  void Serve() {
    while (true) {
      boost::system::error_code error;
      Socket socket(io_);
      acceptor_.accept(socket, error);
      if (stopping_) return;
      if (!error) ServeOne(socket);
    }
  }

  void ServeOne(Socket& socket) {
    boost::system::error_code error;
    std::string request;
    const size_t head =
        boost::asio::read_until(socket, boost::asio::dynamic_buffer(request), "\r\n\r\n", error);
    if (error) return;
    const size_t length = request.find("Content-Length: ");
    if (length != std::string::npos) {
      const size_t wanted = head + std::stoul(request.substr(length + 16));
      if (request.size() < wanted)
        boost::asio::read(socket,
                          boost::asio::dynamic_buffer(request),
                          boost::asio::transfer_exactly(wanted - request.size()),
                          error);
    }
    const size_t begin = request.find(' ') + 1;
    const std::string path = request.substr(begin, request.find(' ', begin) - begin);
    Reply reply{.status = 404};
    {
      std::lock_guard lock(mutex_);
      requests_.push_back(request);
      if (const auto found = replies_.find(path); found != replies_.end()) reply = found->second;
    }
    if (reply.silent) {
      boost::asio::read(socket, boost::asio::dynamic_buffer(request), error);
      return;
    }
    const std::string text =
        fmt::format("HTTP/1.1 {} X\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n{}",
                    reply.status,
                    reply.headers,
                    reply.body.size(),
                    reply.body);
    boost::asio::write(socket, boost::asio::buffer(text), error);
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_{io_, {boost::asio::ip::address_v4::loopback(), 0}};
  mutable std::mutex mutex_;
  std::map<std::string, Reply> replies_;  // guarded by mutex_
  std::vector<std::string> requests_;     // guarded by mutex_
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace triptych::fakes
