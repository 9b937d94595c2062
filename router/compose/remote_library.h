#pragma once

#include <set>
#include <string>
#include <vector>

#include "router/fetch/http_client.h"
#include "router/compose/picture_library.h"

namespace triptych::router {

// A retrieval service with the contract of the published demonstrations': POST {"caption",
// "exclude": [indices], "need_idxs": true} gives
// {"data": {"image_urls": [...], "indices": [...]}}. Pictures are fetched only from hosts that the
// operator allows.
class RemoteLibrary final : public PictureLibrary {
 public:
  struct Options {
    std::string url;
    std::set<std::string> hosts;  // besides the service's own, where pictures may be fetched from
    int64_t max_image_bytes = 0;
    Duration patience{};  // for one search, the pictures included
  };
  static StatusOr<std::unique_ptr<RemoteLibrary>> Make(
      Options options);  // kFailedPrecondition names the url

  Task<StatusOr<std::vector<LibraryPicture>>> Search(PictureQuery query) override;

 private:
  RemoteLibrary(Options options, HttpUrl service)
      : options_(std::move(options)), service_(std::move(service)) {}
  const Options options_;
  const HttpUrl service_;
};

// The contract itself, without a network.
struct RemoteCandidate {
  std::string url;
  std::string index;  // as JSON
};
std::string MakeRemoteQuery(const PictureQuery& query);
// kUnavailable: the answer is not what was agreed.
StatusOr<std::vector<RemoteCandidate>> ParseRemoteAnswer(const std::string& json);

}  // namespace triptych::router
