#include "router/fetch/picture_fetcher.h"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/ranges.h>

#include "common/limits.h"
#include "common/status_reason.h"

namespace triptych::router {
namespace {

constexpr int kMaxUnderWay = 32;
constexpr int kMaxRedirects = 3;
constexpr std::string_view kNotAllowed = "URL_NOT_ALLOWED", kFailed = "URL_FETCH";

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Status Refused(const Status& why) { return WithReason(WithContext("url", why), kNotAllowed); }

Status Failed(const Status& why) {
  return WithReason(InvalidArgument("{}", Message(why)), kFailed);
}

}  // namespace

// The pictures of one request, on its strand.
struct PictureFetcher::Round {
  Round(const asio::any_io_executor& executor, TimePoint end, size_t count)
      : deadline(end), over(executor, TimePoint::max()), results(count) {}

  const TimePoint deadline;
  asio::steady_timer over;
  size_t left = 0;
  int64_t bytes = 0;  // of all files
  std::vector<Status> results;
};

Task<Status> PictureFetcher::Fetch(PictureFetcher* self,
                                   std::vector<v1::Image*> images,
                                   std::string_view field,
                                   TimePoint deadline) {
  const auto count = std::ranges::count_if(images, &v1::Image::has_url);
  if (count == 0) co_return OkStatus();
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const TimePoint end =
      std::min<TimePoint>(deadline, std::chrono::steady_clock::now() + self->options_.patience);
  auto round = std::make_shared<Round>(executor, end, images.size());
  round->left = static_cast<size_t>(count);
  for (size_t i = 0; i < images.size(); ++i) {
    if (images[i]->has_url())
      asio::co_spawn(executor, FetchOne(self, round, i, images[i]), asio::detached);
  }
  while (round->left > 0) {
    boost::system::error_code ignored;
    co_await round->over.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  for (size_t i = 0; i < images.size(); ++i) {
    const Status& status = round->results[i];
    if (status.ok()) continue;
    const std::string name = fmt::format("{}[{}]", field, i);
    co_return WithReason(WithContext(name, status), ReasonOf(status), name);
  }
  co_return OkStatus();
}

Task<void> PictureFetcher::FetchOne(PictureFetcher* self,
                                    std::shared_ptr<Round> round,
                                    size_t index,
                                    v1::Image* image) {
  Status& result = round->results[index];
  if (++self->under_way_ <= kMaxUnderWay) {
    Task<Status> fetch = FetchFile(self, image, round->deadline);
    result = co_await std::move(fetch);
    round->bytes += static_cast<int64_t>(image->data().size());
    if (result.ok() && round->bytes > kMaxGrpcMessageBytes) {
      image->clear_data();
      result = Failed(ResourceExhausted("the pictures of a request have at most {} bytes in all",
                                        kMaxGrpcMessageBytes));
    }
  } else {
    result = WithReason(ResourceExhausted("too many pictures are being fetched: try again"),
                        "FETCHES_FULL");
  }
  --self->under_way_;
  --round->left;
  round->over.cancel();
}

StatusOr<HttpUrl> PictureFetcher::Allowed(std::string_view text) const {
  if (options_.hosts.empty()) {
    return Refused(
        InvalidArgument("this server fetches no pictures: send data, or sha256 of an upload"));
  }
  StatusOr<HttpUrl> url = HttpUrl::Parse(text);
  if (!url.ok()) return Refused(url.status());
  if (options_.only_https && !url->tls)
    return Refused(InvalidArgument("pictures are fetched by https only"));
  if (!options_.hosts.contains(url->host)) {
    return Refused(InvalidArgument("pictures are fetched from {}, not from '{}'",
                                   fmt::join(options_.hosts, ", "),
                                   url->host));
  }
  return url;
}

Task<Status> PictureFetcher::FetchFile(PictureFetcher* self,
                                       v1::Image* image,
                                       TimePoint deadline) {
  TRIPTYCH_CO_ASSIGN_OR_RETURN(HttpUrl url, self->Allowed(image->url()));
  const FetchLimits limits = {.max_bytes = self->options_.max_image_bytes,
                              .deadline = deadline,
                              .only_public = !self->options_.private_addresses};
  for (int redirects = 0; redirects <= kMaxRedirects; ++redirects) {
    Task<StatusOr<HttpAnswer>> ask = AskHttp(url, {}, limits);
    StatusOr<HttpAnswer> answer = co_await std::move(ask);
    if (!answer.ok()) co_return Failed(answer.status());
    if (answer->status == 200) {
      image->set_data(std::move(answer->body));  // the URL goes
      co_return OkStatus();
    }
    if (!IsRedirect(answer->status))
      co_return Failed(Unavailable("{}: it answers with status {}", url.host, answer->status));
    const bool same_host = answer->location.starts_with('/') &&
                           !answer->location.starts_with("//");
    const std::string next =
        same_host ? url.Origin() + answer->location : std::move(answer->location);
    TRIPTYCH_CO_ASSIGN_OR_RETURN(url, self->Allowed(next));
  }
  co_return Failed(
      Unavailable("{}: it redirects more than {} times", url.host, kMaxRedirects));
}

std::vector<v1::Image*> ImagesOf(v1::Prompt* prompt) {
  std::vector<v1::Image*> images;
  const auto add = [&](auto* parts) {
    for (v1::Part& part : *parts) {
      if (part.has_image()) images.push_back(part.mutable_image());
    }
  };
  if (prompt->has_conversation()) {
    for (v1::Message& message : *prompt->mutable_conversation()->mutable_messages())
      add(message.mutable_parts());
  } else if (prompt->has_raw()) {
    add(prompt->mutable_raw()->mutable_parts());
  } else if (prompt->has_tokens()) {
    for (auto& placed : *prompt->mutable_tokens()->mutable_images())
      images.push_back(placed.mutable_image());
  }
  return images;
}

}  // namespace triptych::router
