#pragma once

#include <string>
#include <vector>

#include "common/clock.h"
#include "common/metrics/registry.h"
#include "common/status.h"

namespace triptych::router {

// The router's metrics; docs/metrics.md says what each means. Thread-safe.
class Metrics {
 public:
  explicit Metrics(MetricRegistry* registry)
      : registry_(*registry),
        accepted_(Requests("accepted")),
        completed_(Requests("completed")),
        failed_(Requests("failed")),
        cancelled_(Requests("cancelled")),
        live_(registry->Gauge("triptych_router_live_requests", "Generate calls in the router")),
        prompt_tokens_(
            registry->Counter("triptych_router_prompt_tokens_total",
                              "Prompt tokens of accepted requests, image rows included")),
        image_tokens_(registry->Counter("triptych_router_image_tokens_total",
                                        "Image rows of accepted requests")),
        output_tokens_(
            registry->Counter("triptych_router_output_tokens_total", "Tokens relayed to clients")),
        migrations_(registry->Counter("triptych_router_migrations_total",
                                      "Streams that went on at another decoder")),
        images_cached_(registry->Counter("triptych_router_images_total",
                                         "Pictures by where their rows came from",
                                         {{"source", "decoder_cache"}})),
        images_encoded_(registry->Counter("triptych_router_images_total",
                                          "Pictures by where their rows came from",
                                          {{"source", "encoder"}})),
        first_token_(registry->Histogram("triptych_router_time_to_first_token_seconds",
                                         "From the request's arrival to its first token",
                                         MetricRegistry::LatencyBuckets())),
        token_gap_(registry->Histogram("triptych_router_token_gap_seconds",
                                       "Between two deliveries of one sequence",
                                       MetricRegistry::TokenGapBuckets())),
        duration_(registry->Histogram("triptych_router_request_seconds",
                                      "From the request's arrival to its end",
                                      MetricRegistry::LatencyBuckets())),
        articles_accepted_(Articles("accepted")),
        articles_completed_(Articles("completed")),
        articles_failed_(Articles("failed")),
        articles_cancelled_(Articles("cancelled")),
        live_articles_(
            registry->Gauge("triptych_router_live_articles", "Compose calls in the router")),
        article_duration_(registry->Histogram("triptych_router_article_seconds",
                                              "From a Compose call's arrival to its end",
                                              ArticleBuckets())),
        illustrations_own_(Illustrations("user")),
        illustrations_library_(Illustrations("library")),
        searches_found_(Searches("found")),
        searches_empty_(Searches("empty")),
        searches_failed_(Searches("failed")),
        http_connections_(registry->Gauge("triptych_router_http_connections",
                                          "Connections at the HTTP port")),
        http_refused_(registry->Counter("triptych_router_http_connections_refused_total",
                                        "Connections at the HTTP port beyond its limit")) {}

  void RequestAccepted(int32_t prompt_tokens, int32_t image_tokens) {
    accepted_.Increment();
    live_.Increment();
    prompt_tokens_.Increment(prompt_tokens);
    image_tokens_.Increment(image_tokens);
  }
  void RequestEnded(const Status& status, Duration duration) {
    live_.Decrement();
    (status.ok() ? completed_ : status.code() == StatusCode::kCancelled ? cancelled_ : failed_).Increment();
    duration_.Observe(Seconds(duration));
  }
  // Before it was accepted; `reason` is one of the codes' names.
  void RequestRefused(StatusCode code) {
    registry_.Counter("triptych_router_refused_total", "Generate calls refused before any worker was asked", {{"code", absl::StatusCodeToString(code)}})
        .Increment();
  }
  void TokensRelayed(int64_t count) { output_tokens_.Increment(static_cast<double>(count)); }
  void FirstToken(Duration since_arrival) { first_token_.Observe(Seconds(since_arrival)); }
  void TokenGap(Duration gap) { token_gap_.Observe(Seconds(gap)); }
  void StreamMigrated() { migrations_.Increment(); }
  void ImageCached() { images_cached_.Increment(); }
  void ImageEncoded() { images_encoded_.Increment(); }

  void ArticleAccepted() {
    articles_accepted_.Increment();
    live_articles_.Increment();
  }
  void ArticleEnded(const Status& status, Duration duration) {
    live_articles_.Decrement();
    (status.ok()                               ? articles_completed_
     : status.code() == StatusCode::kCancelled ? articles_cancelled_
                                               : articles_failed_)
        .Increment();
    article_duration_.Observe(Seconds(duration));
  }
  void IllustrationPlaced(bool own) {
    (own ? illustrations_own_ : illustrations_library_).Increment();
  }
  enum class Search { kFound, kEmpty, kFailed };
  void LibrarySearched(Search search) {
    (search == Search::kFound   ? searches_found_
     : search == Search::kEmpty ? searches_empty_
                                : searches_failed_)
        .Increment();
  }

  // `endpoint` is one of the routes' names; `status` that of the answer, 499 where the client was gone.
  void HttpAnswered(const std::string& endpoint, int status) {
    registry_
        .Counter("triptych_router_http_requests_total",
                 "HTTP requests by what was asked and the answer's status",
                 {{"endpoint", endpoint}, {"status", std::to_string(status)}})
        .Increment();
  }
  void HttpConnectionOpened() { http_connections_.Increment(); }
  void HttpConnectionClosed() { http_connections_.Decrement(); }
  void HttpConnectionRefused() { http_refused_.Increment(); }

 private:
  static double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }
  prometheus::Counter& Requests(const char* outcome) {
    return registry_.Counter("triptych_router_requests_total",
                             "Generate calls by what became of them; accepted = completed + failed + cancelled + live", {{"outcome", outcome}});
  }
  prometheus::Counter& Articles(const char* outcome) {
    return registry_.Counter(
        "triptych_router_articles_total",
        "Compose calls by what became of them; accepted = completed + failed + cancelled + live",
        {{"outcome", outcome}});
  }
  prometheus::Counter& Illustrations(const char* source) {
    return registry_.Counter("triptych_router_illustrations_total",
                             "Pictures in articles by where they are from",
                             {{"source", source}});
  }
  prometheus::Counter& Searches(const char* result) {
    return registry_.Counter("triptych_router_library_searches_total",
                             "Searches in picture libraries",
                             {{"result", result}});
  }
  static std::vector<double> ArticleBuckets() {
    return {1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600};
  }

  MetricRegistry& registry_;
  prometheus::Counter &accepted_, &completed_, &failed_, &cancelled_;
  prometheus::Gauge& live_;
  prometheus::Counter &prompt_tokens_, &image_tokens_, &output_tokens_, &migrations_, &images_cached_, &images_encoded_;
  prometheus::Histogram &first_token_, &token_gap_, &duration_;
  prometheus::Counter &articles_accepted_, &articles_completed_, &articles_failed_,
      &articles_cancelled_;
  prometheus::Gauge& live_articles_;
  prometheus::Histogram& article_duration_;
  prometheus::Counter &illustrations_own_, &illustrations_library_, &searches_found_,
      &searches_empty_, &searches_failed_;
  prometheus::Gauge& http_connections_;
  prometheus::Counter& http_refused_;
};

}  // namespace triptych::router
