#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/async/task.h"
#include "common/clock.h"
#include "common/status.h"
#include "router/fetch/http_client.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// Fetches the pictures that clients name by URL: by https, from hosts that the operator allows, at
// public addresses. Redirects are followed a few times, each held to the same. Thread-safe.
class PictureFetcher {
 public:
  struct Options {
    std::set<std::string> hosts;     // in small letters; empty: nothing is fetched
    bool private_addresses = false;  // also hosts of the operator's own network
    int64_t max_image_bytes = 0;
    std::chrono::milliseconds patience{10'000};  // for all pictures of a request
    bool only_https = true;                      // false for tests without certificates
  };
  explicit PictureFetcher(Options options) : options_(std::move(options)) {}

  // Puts the file where the URL is, for each of `images` that has one; all at once. The images must
  // live to the end. The error names the picture as `field`[i]. kInvalidArgument, with reason
  // URL_NOT_ALLOWED or URL_FETCH; kResourceExhausted (FETCHES_FULL): too many are under way.
  static Task<Status> Fetch(PictureFetcher* self,
                            std::vector<v1::Image*> images,
                            std::string_view field,
                            TimePoint deadline);

 private:
  struct Round;
  static Task<void> FetchOne(PictureFetcher* self,
                             std::shared_ptr<Round> round,
                             size_t index,
                             v1::Image* image);
  static Task<Status> FetchFile(PictureFetcher* self, v1::Image* image, TimePoint deadline);
  StatusOr<HttpUrl> Allowed(std::string_view text) const;

  const Options options_;
  std::atomic<int> under_way_{0};
};

// The pictures of a prompt in order, as errors number them.
std::vector<v1::Image*> ImagesOf(v1::Prompt* prompt);

}  // namespace triptych::router
