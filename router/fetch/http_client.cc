#include "router/fetch/http_client.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include "router/fetch/public_address.h"

namespace triptych::router {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using tcp = asio::ip::tcp;

constexpr uint32_t kMaxHeaderBytes = 16 << 10;

// What one fetch needs from beginning to end. Kept outside of the coroutines' own frames.
struct Fetch {
  Fetch(const asio::any_io_executor& executor,
        HttpUrl at,
        std::string json,
        const FetchLimits& limits)
      : url(std::move(at)),
        only_public(limits.only_public),
        resolver(executor),
        stream(executor, context) {
    request.method(json.empty() ? http::verb::get : http::verb::post);
    request.target(url.target);
    request.version(11);
    const bool usual_port = url.port == (url.tls ? "443" : "80");
    request.set(http::field::host, usual_port ? url.host : url.host + ":" + url.port);
    request.set(http::field::user_agent, "triptych");
    request.set(http::field::connection, "close");
    if (!json.empty()) request.set(http::field::content_type, "application/json");
    request.body() = std::move(json);
    request.prepare_payload();
    parser.header_limit(kMaxHeaderBytes);
    parser.body_limit(static_cast<uint64_t>(limits.max_bytes));
  }
  beast::tcp_stream& tcp() { return beast::get_lowest_layer(stream); }

  const HttpUrl url;
  const bool only_public;
  ssl::context context{ssl::context::tls_client};
  tcp::resolver resolver;
  beast::ssl_stream<beast::tcp_stream> stream;
  http::request<http::string_body> request;
  http::response_parser<http::string_body> parser;
  beast::flat_buffer buffer;
};

Status Failed(const HttpUrl& url, std::string_view what, const beast::error_code& error) {
  if (error == beast::error::timeout) return DeadlineExceeded("{}: {}: too slow", url.host, what);
  if (error == http::error::body_limit)
    return ResourceExhausted("{}: the answer is longer than allowed", url.host);
  return Unavailable("{}: {}: {}", url.host, what, error.message());
}

template <typename Stream>
Task<Status> Exchange(std::shared_ptr<Fetch> fetch, Stream* stream) {
  beast::error_code error;
  co_await http::async_write(
      *stream, fetch->request, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return Failed(fetch->url, "cannot be asked", error);
  co_await http::async_read(
      *stream, fetch->buffer, fetch->parser, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return Failed(fetch->url, "does not answer", error);
  co_return OkStatus();
}

Task<Status> Connect(std::shared_ptr<Fetch> fetch) {
  beast::error_code error;
  const auto found = co_await fetch->resolver.async_resolve(
      fetch->url.host, fetch->url.port, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return Failed(fetch->url, "cannot be resolved", error);
  std::vector<tcp::endpoint> endpoints;
  for (const auto& entry : found) {
    if (!fetch->only_public || IsPublicAddress(entry.endpoint().address()))
      endpoints.push_back(entry.endpoint());
  }
  if (endpoints.empty())
    co_return FailedPrecondition("{}: it has no address in the public internet", fetch->url.host);
  co_await fetch->tcp().async_connect(endpoints, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return Failed(fetch->url, "cannot be reached", error);
  if (!fetch->url.tls) co_return OkStatus();
  fetch->context.set_default_verify_paths(error);
  fetch->stream.set_verify_mode(ssl::verify_peer);
  fetch->stream.set_verify_callback(ssl::host_name_verification(fetch->url.host));
  if (!SSL_set_tlsext_host_name(fetch->stream.native_handle(), fetch->url.host.c_str()))
    co_return Internal("{}: no server name", fetch->url.host);
  co_await fetch->stream.async_handshake(ssl::stream_base::client,
                                         asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return Failed(fetch->url, "cannot be trusted", error);
  co_return OkStatus();
}

}  // namespace

std::string HttpUrl::Origin() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  const std::string name = is_v6 ? "[" + host + "]" : host;
  return fmt::format("{}://{}:{}", tls ? "https" : "http", name, port);
}

StatusOr<HttpUrl> HttpUrl::Parse(std::string_view text) {
  HttpUrl url;
  const auto wrong = [&](std::string_view what) {
    return InvalidArgument("'{}': {}", text.substr(0, 200), what);
  };
  const auto printable = [](unsigned char c) { return c > 0x20 && c < 0x7f; };
  if (!std::ranges::all_of(text, printable))
    return wrong("a URL has no white space and only ASCII characters");
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.tls = true;
  } else if (!rest.starts_with("http://")) {
    return wrong("it begins with neither http:// nor https://");
  }
  rest.remove_prefix(url.tls ? 8 : 7);
  const size_t path = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, path);
  const std::string_view target = rest.substr(path, rest.find('#') - path);
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  url.port = url.tls ? "443" : "80";
  if (const size_t colon = authority.rfind(':');
      colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    const std::string_view port = authority.substr(colon + 1);
    int number = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (error != std::errc() || end != port.data() + port.size() || number < 1 || number > 65535)
      return wrong("the port lies between 1 and 65535");
    url.port = std::to_string(number);
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('[') && authority.ends_with(']'))
    authority = authority.substr(1, authority.size() - 2);
  if (authority.empty() || authority.find_first_of("@[]\\") != std::string_view::npos)
    return wrong("it names no host");
  url.host = std::string(authority);
  std::ranges::transform(url.host, url.host.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return url;
}

Task<StatusOr<HttpAnswer>> AskHttp(HttpUrl url, std::string json, FetchLimits limits) {
  constexpr std::chrono::minutes kLongest{1};
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto fetch = std::make_shared<Fetch>(executor, std::move(url), std::move(json), limits);
  fetch->tcp().expires_at(
      std::min<TimePoint>(limits.deadline, std::chrono::steady_clock::now() + kLongest));
  Task<Status> connect = Connect(fetch);
  Status status = co_await std::move(connect);
  if (!status.ok()) co_return status;
  if (fetch->url.tls) {
    Task<Status> exchange = Exchange(fetch, &fetch->stream);
    status = co_await std::move(exchange);
  } else {
    Task<Status> exchange = Exchange(fetch, &fetch->tcp());
    status = co_await std::move(exchange);
  }
  fetch->tcp().close();
  if (!status.ok()) co_return status;
  http::response<http::string_body>& response = fetch->parser.get();
  HttpAnswer answer{.status = static_cast<int>(response.result_int())};
  const beast::string_view location = response[http::field::location];
  answer.location.assign(location.data(), location.size());
  answer.body = std::move(response.body());
  co_return answer;
}

Task<StatusOr<std::string>> FetchHttp(HttpUrl url, std::string json, FetchLimits limits) {
  const std::string host = url.host;
  Task<StatusOr<HttpAnswer>> ask = AskHttp(std::move(url), std::move(json), limits);
  StatusOr<HttpAnswer> answer = co_await std::move(ask);
  if (!answer.ok()) co_return answer.status();
  if (answer->status != 200)
    co_return Unavailable("{}: it answers with status {}", host, answer->status);
  co_return std::move(answer->body);
}

}  // namespace triptych::router
