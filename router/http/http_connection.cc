#include "router/http/http_connection.h"

#include <algorithm>
#include <sstream>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http.hpp>

#include "common/log/log.h"
#include "common/rpc/server_call.h"
#include "router/http/error_reply.h"
#include "router/http/percent_decode.h"

namespace triptych::router {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

constexpr size_t kReadBytes = 64 << 10;
constexpr std::chrono::seconds kIdle{60};        // for the next request's first byte
constexpr std::chrono::seconds kHeaderTime{10};  // from there to the end of its head
constexpr std::chrono::seconds kLinger{2};       // for the rest of what is not read any more
constexpr int64_t kSlowestBytesPerSecond = 64 << 10;

// What a transfer of so many bytes may take. Of a body that is being read, those that came count:
// whoever stalls is cut off soon.
Duration TimeFor(int64_t bytes) {
  return kSlowReaderGrace + std::chrono::seconds(bytes / kSlowestBytesPerSecond);
}

std::string PeerOf(const tcp::socket& socket) {
  beast::error_code error;
  const tcp::endpoint endpoint = socket.remote_endpoint(error);
  if (error) return {};
  std::ostringstream text;
  text << endpoint;
  return text.str();
}

bool IsHttpError(const beast::error_code& error) {
  return error.category() == make_error_code(http::error::bad_method).category();
}

bool IsJson(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  std::erase_if(type, [](unsigned char c) { return c == ' ' || c == '\t'; });
  return beast::iequals(type, "application/json");
}

}  // namespace

// A request's part of kMaxHttpBodiesBytes.
class HttpConnection::BodyShare {
 public:
  explicit BodyShare(std::shared_ptr<HttpShared> shared) : shared_(std::move(shared)) {}
  ~BodyShare() { shared_->body_bytes -= bytes_; }
  BodyShare(const BodyShare&) = delete;
  BodyShare& operator=(const BodyShare&) = delete;
  // Whether all bodies still fit.
  bool Add(int64_t bytes) {
    bytes_ += bytes;
    return (shared_->body_bytes += bytes) <= kMaxHttpBodiesBytes;
  }

 private:
  const std::shared_ptr<HttpShared> shared_;
  int64_t bytes_ = 0;
};

HttpConnection::HttpConnection(std::shared_ptr<HttpShared> shared,
                               tcp::socket socket,
                               std::shared_ptr<asio::ssl::context> context,
                               Strand strand)
    : shared_(std::move(shared)),
      strand_(std::move(strand)),
      stream_(std::move(socket), std::move(context)),
      buffer_(kMaxHttpHeaderBytes + kReadBytes),
      peer_(PeerOf(tcp().socket())),
      write_over_(strand_),
      watch_over_(strand_) {
  beast::error_code ignored;
  tcp().socket().set_option(tcp::no_delay(true), ignored);
}

Task<void> HttpConnection::Run(std::shared_ptr<HttpConnection> self) {
  Task<bool> shake_hands = ShakeHands(self);
  bool more = co_await std::move(shake_hands);
  while (more) {
    Task<bool> serve = ServeNext(self);
    more = co_await std::move(serve);
    self->Forget();
  }
  Task<void> linger = Linger(self);
  co_await std::move(linger);
  self->tcp().close();
}

// False: it came to nothing.
Task<bool> HttpConnection::ShakeHands(std::shared_ptr<HttpConnection> self) {
  if (self->stream_.tls() == nullptr) co_return true;
  beast::error_code error;
  self->idle_ = true;
  self->tcp().expires_after(kHeaderTime);
  co_await self->stream_.tls()->async_handshake(asio::ssl::stream_base::server,
                                                asio::redirect_error(asio::use_awaitable, error));
  self->idle_ = false;
  if (!error) co_return true;
  spdlog::info("no TLS with {}: {}", self->peer_, error.message());
  self->gone_ = true;
  co_return false;
}

void HttpConnection::Close() {
  asio::post(strand_, [self = shared_from_this()] { self->tcp().close(); });
}

void HttpConnection::CloseIdle() {
  asio::post(strand_, [self = shared_from_this()] {
    if (self->idle_) self->tcp().close();
  });
}

void HttpConnection::Forget() {
  parser_.reset();
  share_.reset();
  request_ = {};
  route_ = nullptr;
  keep_alive_ = chunked_ = streaming_ = false;
  headers_.clear();
  reply_.reset();
  on_gone_ = nullptr;
}

Task<bool> HttpConnection::ServeNext(std::shared_ptr<HttpConnection> self) {
  Task<Heard> hear = Hear(self);
  const Heard heard = co_await std::move(hear);
  if (heard == Heard::kNothing) co_return false;
  ++self->shared_->open_requests;
  Heard whole = heard;
  if (heard == Heard::kRequest && self->route_->takes_json) {
    Task<Heard> body = HearBody(self);
    whole = co_await std::move(body);
  }
  if (whole == Heard::kRequest) {
    Task<void> handle = Handle(self);
    co_await std::move(handle);
  }
  if (whole != Heard::kNothing && !self->streaming_ && !self->gone_) {
    Task<void> write = WriteReply(self);
    co_await std::move(write);
  }
  if (self->watching_) {
    Task<void> end = EndWatch(self);
    co_await std::move(end);
  }
  const int status = whole == Heard::kNothing || self->gone_ ? HttpStatusOf(Cancelled("gone"))
                     : self->streaming_                      ? 200
                                                             : self->reply_->status;
  self->shared_->metrics->HttpAnswered(self->route_ ? self->route_->endpoint : "other", status);
  --self->shared_->open_requests;
  co_return whole != Heard::kNothing && self->keeps_alive();
}

// Up to the end of a request's head.
Task<HttpConnection::Heard> HttpConnection::Hear(std::shared_ptr<HttpConnection> self) {
  beast::error_code error;
  if (self->buffer_.size() == 0) {
    self->idle_ = true;
    self->tcp().expires_after(kIdle);
    const auto space = self->buffer_.prepare(kReadBytes);
    const size_t bytes = co_await self->stream_.async_read_some(
        space, asio::redirect_error(asio::use_awaitable, error));
    self->idle_ = false;
    if (error) co_return Heard::kNothing;
    self->buffer_.commit(bytes);
  }
  self->parser_.emplace();
  self->parser_->header_limit(kMaxHttpHeaderBytes);
  self->parser_->body_limit(static_cast<uint64_t>(kMaxHttpBodyBytes));
  self->tcp().expires_after(kHeaderTime);
  co_await http::async_read_header(self->stream_,
                                   self->buffer_,
                                   *self->parser_,
                                   asio::redirect_error(asio::use_awaitable, error));
  if (error == http::error::end_of_stream || error == http::error::partial_message)
    co_return Heard::kNothing;
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    co_return self->Refuse(WithReason(
        InvalidArgument("the request's head has at most {} bytes", kMaxHttpHeaderBytes),
        kHeaderTooLarge));
  }
  if (error == http::error::body_limit) {
    co_return self->Refuse(WithReason(
        InvalidArgument("a request's body has at most {} bytes", kMaxHttpBodyBytes),
        kBodyTooLarge));
  }
  if (error && IsHttpError(error))
    co_return self->Refuse(InvalidArgument("this is not HTTP/1.1: {}", error.message()));
  if (error) co_return Heard::kNothing;
  const Status status = self->TakeHead();
  co_return status.ok() ? Heard::kRequest : self->Refuse(status);
}

// What is wrong with a request whose body is not read ends the connection.
HttpConnection::Heard HttpConnection::Refuse(const Status& status) {
  keep_alive_ = false;
  reply_ = ErrorReply(status);
  if (route_ != nullptr && reply_->status == 405)
    reply_->headers.emplace_back("Allow", route_->takes_json ? "POST" : "GET, HEAD");
  return Heard::kRefused;
}

Status HttpConnection::TakeHead() {
  const http::request<http::string_body>& head = parser_->get();
  const auto view = [](beast::string_view text) {
    return std::string_view(text.data(), text.size());
  };
  chunked_ = head.version() >= 11;
  request_.method = std::string(view(head.method_string()));
  request_.peer = peer_;
  for (const auto& field : head) {
    std::string name(view(field.name_string()));
    std::ranges::transform(
        name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    request_.headers.try_emplace(std::move(name), view(field.value()));
  }
  const std::string_view target = view(head.target());
  const std::optional<std::string> path = PercentDecode(target.substr(0, target.find('?')));
  route_ = path ? shared_->routes.Find(*path) : nullptr;
  if (route_ == nullptr)
    return WithReason(NotFound("there is no such path here: see docs/openai.md"), "PATH");
  request_.path = *path;
  request_.rest = path->substr(std::min(route_->path.size(), path->size()));
  if (!route_->open) {
    TRIPTYCH_ASSIGN_OR_RETURN(request_.tenant, shared_->tenants(request_.Header("authorization")));
  }
  return CheckRoute();
}

// Whether the request is one that its route takes.
Status HttpConnection::CheckRoute() {
  const http::request<http::string_body>& head = parser_->get();
  const bool readable = request_.method == "GET" || request_.method == "HEAD";
  if (route_->takes_json ? request_.method != "POST" : !readable)
    return WithReason(InvalidArgument("{} takes {} only", route_->path,
                                      route_->takes_json ? "POST" : "GET and HEAD"),
                      kMethod);
  if (!route_->takes_json) {
    if (parser_->chunked() || parser_->content_length().value_or(0) > 0)
      return WithReason(InvalidArgument("{} takes no body", route_->path), kBodyTooLarge);
    keep_alive_ = head.keep_alive();
    return OkStatus();
  }
  if (!IsJson(request_.Header("content-type")))
    return WithReason(InvalidArgument("Content-Type: application/json is needed"), kMediaType);
  if (!request_.Header("content-encoding").empty())
    return WithReason(InvalidArgument("Content-Encoding: bodies are taken as they are only"),
                      kMediaType);
  return OkStatus();
}

Task<HttpConnection::Heard> HttpConnection::HearBody(std::shared_ptr<HttpConnection> self) {
  if (beast::iequals(self->request_.Header("expect"), "100-continue")) {
    Task<bool> go_on = Write(self, "HTTP/1.1 100 Continue\r\n\r\n");
    const bool written = co_await std::move(go_on);
    if (!written) co_return Heard::kNothing;
  }
  const TimePoint begin = std::chrono::steady_clock::now();
  int64_t received = 0;
  beast::error_code error;
  self->share_ = std::make_shared<BodyShare>(self->shared_);
  self->parser_->eager(true);
  while (!error && !self->parser_->is_done()) {
    self->tcp().expires_at(begin + TimeFor(received));
    const size_t bytes =
        co_await http::async_read_some(self->stream_,
                                       self->buffer_,
                                       *self->parser_,
                                       asio::redirect_error(asio::use_awaitable, error));
    received += static_cast<int64_t>(bytes);
    if (!self->share_->Add(static_cast<int64_t>(bytes))) {
      co_return self->Refuse(WithReason(
          Unavailable("too many large requests are being read: try again"), "BODIES_FULL"));
    }
  }
  if (error == http::error::body_limit) {
    co_return self->Refuse(WithReason(
        InvalidArgument("a request's body has at most {} bytes", kMaxHttpBodyBytes),
        kBodyTooLarge));
  }
  if (error && error != http::error::partial_message && IsHttpError(error))
    co_return self->Refuse(InvalidArgument("this is not HTTP/1.1: {}", error.message()));
  if (error) co_return Heard::kNothing;
  self->keep_alive_ = self->parser_->get().keep_alive();
  self->request_.body = std::move(self->parser_->get().body());
  co_return Heard::kRequest;
}

// To the end of a stream, or with the reply ready.
Task<void> HttpConnection::Handle(std::shared_ptr<HttpConnection> self) {
  if (self->route_->takes_json) {
    self->watching_ = true;
    IoRuntime::Spawn(self->strand_, Watch(self));
  }
  Task<Status> handle =
      internal::RunGuarded<Status>(self->route_->handler, std::shared_ptr<HttpExchange>(self));
  const Status status = co_await std::move(handle);
  if (!self->streaming_) {
    if (!status.ok()) self->reply_ = ErrorReply(status);
    if (!self->reply_) self->reply_ = ErrorReply(Internal("internal error"));
    co_return;
  }
  if (!status.ok() && !self->gone_) {
    Task<bool> send = self->SendEvents({ErrorJson(status)});
    co_await std::move(send);
  }
  if (self->chunked_) {
    Task<bool> end = Write(self, "0\r\n\r\n");
    co_await std::move(end);
  } else {
    self->keep_alive_ = false;
  }
}

// Hears whether the client goes away while its request is served. What it sends meanwhile is kept
// for the next request, as far as there is room.
Task<void> HttpConnection::Watch(std::shared_ptr<HttpConnection> self) {
  while (!self->watch_ends_ && self->buffer_.size() < kMaxHttpHeaderBytes) {
    beast::error_code error;
    const auto space = self->buffer_.prepare(kMaxHttpHeaderBytes - self->buffer_.size());
    self->tcp().expires_never();
    const size_t bytes = co_await self->stream_.async_read_some(
        space, asio::redirect_error(asio::use_awaitable, error));
    self->buffer_.commit(bytes);
    if (error && !(error == asio::error::operation_aborted && self->watch_ends_)) {
      self->Gone();
      break;
    }
  }
  self->watching_ = false;
  self->watch_over_.Wake();
}

Task<void> HttpConnection::EndWatch(std::shared_ptr<HttpConnection> self) {
  self->watch_ends_ = true;
  while (self->watching_) {
    self->tcp().cancel();
    Task<void> wait = self->watch_over_.Wait(TimePoint::max());
    co_await std::move(wait);
  }
  self->watch_ends_ = false;
}

std::string HttpConnection::TakeBody() {
  share_.reset();
  return std::exchange(request_.body, {});
}

void HttpConnection::OnGone(std::function<void()> hook) {
  on_gone_ = std::move(hook);
  if (gone_) Gone();
}

void HttpConnection::Gone() {
  gone_ = true;
  if (auto hook = std::exchange(on_gone_, nullptr)) asio::post(strand_, std::move(hook));
}

Task<bool> HttpConnection::SendEvents(std::vector<std::string> events) {
  const std::shared_ptr<HttpConnection> self = shared_from_this();
  std::string bytes, lines;
  if (!streaming_) bytes = StreamHead();
  streaming_ = true;
  for (const std::string& event : events) lines += "data: " + event + "\n\n";
  bytes += Chunk(lines);
  Task<bool> write = Write(self, std::move(bytes));
  const bool written = co_await std::move(write);
  co_return written;
}

std::string HttpConnection::StreamHead() const {
  http::response<http::empty_body> head(http::status::ok, chunked_ ? 11 : 10);
  head.set(http::field::content_type, "text/event-stream; charset=utf-8");
  head.set(http::field::cache_control, "no-store");
  head.set("X-Accel-Buffering", "no");  // proxies hand the events on as they come
  head.set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : headers_) head.set(name, value);
  head.chunked(chunked_);
  head.keep_alive(chunked_ && keeps_alive());
  std::ostringstream text;
  text << head.base();
  return text.str();
}

std::string HttpConnection::Chunk(std::string_view data) const {
  return chunked_ ? fmt::format("{:x}\r\n{}\r\n", data.size(), data) : std::string(data);
}

// One after another.
Task<bool> HttpConnection::Write(std::shared_ptr<HttpConnection> self, std::string bytes) {
  while (self->writing_) {
    beast::error_code ignored;
    self->write_over_.expires_at(TimePoint::max());
    co_await self->write_over_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (self->gone_) co_return false;
  self->writing_ = true;
  self->tcp().expires_after(TimeFor(static_cast<int64_t>(bytes.size())));
  beast::error_code error;
  const auto whole = asio::buffer(bytes);
  co_await asio::async_write(
      self->stream_, whole, asio::redirect_error(asio::use_awaitable, error));
  self->writing_ = false;
  self->write_over_.cancel();
  if (error) self->Gone();
  co_return !error;
}

Task<void> HttpConnection::WriteReply(std::shared_ptr<HttpConnection> self) {
  HttpReply& reply = *self->reply_;
  http::response<http::string_body> response(static_cast<http::status>(reply.status),
                                             self->chunked_ ? 11 : 10);
  response.set(http::field::content_type, reply.content_type);
  response.set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : self->headers_) response.set(name, value);
  for (const auto& [name, value] : reply.headers) response.set(name, value);
  response.keep_alive(self->keeps_alive());
  const size_t size = reply.body.size();
  if (reply.status != 304) response.content_length(size);
  if (self->request_.method != "HEAD") response.body() = std::move(reply.body);
  self->tcp().expires_after(TimeFor(static_cast<int64_t>(size)));
  beast::error_code error;
  co_await http::async_write(
      self->stream_, response, asio::redirect_error(asio::use_awaitable, error));
  if (error) self->Gone();
}

// A client that still sends would lose the answer if the connection were closed at once.
Task<void> HttpConnection::Linger(std::shared_ptr<HttpConnection> self) {
  if (self->gone_) co_return;
  beast::error_code error;
  self->tcp().expires_after(kLinger);
  if (self->stream_.tls() != nullptr) {
    co_await self->stream_.tls()->async_shutdown(asio::redirect_error(asio::use_awaitable, error));
    error.clear();  // most clients say no farewell
  }
  self->tcp().socket().shutdown(tcp::socket::shutdown_send, error);
  while (!error) {
    self->buffer_.clear();
    const auto space = self->buffer_.prepare(kReadBytes);
    co_await self->tcp().async_read_some(space, asio::redirect_error(asio::use_awaitable, error));
  }
}

}  // namespace triptych::router
