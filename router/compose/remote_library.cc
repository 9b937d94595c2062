#include "router/compose/remote_library.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "nlohmann/json.hpp"
#include "router/compose/article_text.h"

namespace triptych::router {

std::string MakeRemoteQuery(const PictureQuery& query) {
  constexpr size_t kMaxCharacters = 53;  // as the demonstrations have it
  nlohmann::json exclude = nlohmann::json::array();
  for (const std::string& id : query.exclude) {
    nlohmann::json index = nlohmann::json::parse(id, nullptr, /*allow_exceptions=*/false);
    if (!index.is_discarded()) exclude.push_back(std::move(index));
  }
  const nlohmann::json json = {
      {"caption", FirstCharacters(TrimSpace(query.caption), kMaxCharacters)},
      {"exclude", exclude},
      {"need_idxs", true}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

StatusOr<std::vector<RemoteCandidate>> ParseRemoteAnswer(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto data = json.is_object() ? json.find("data") : json.end();
  if (!json.is_object() || data == json.end() || !data->is_object())
    return Unavailable("the picture service's answer has no object 'data'");
  const auto list = [&](const char* key) {
    return data->contains(key) && data->at(key).is_array() ? data->at(key)
                                                           : nlohmann::json::array();
  };
  const nlohmann::json urls = list("image_urls"), indices = list("indices");
  if (urls.size() != indices.size()) {
    return Unavailable("the picture service's answer has {} image_urls and {} indices",
                       urls.size(),
                       indices.size());
  }
  std::vector<RemoteCandidate> candidates;
  for (size_t i = 0; i < urls.size(); ++i) {
    if (!urls[i].is_string())
      return Unavailable("the picture service's answer has a url that is no text");
    candidates.push_back(
        {urls[i].get<std::string>(),
         indices[i].dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)});
  }
  return candidates;
}

StatusOr<std::unique_ptr<RemoteLibrary>> RemoteLibrary::Make(Options options) {
  StatusOr<HttpUrl> service = HttpUrl::Parse(options.url);
  if (!service.ok()) return FailedPrecondition("libraries: url: {}", Message(service.status()));
  options.hosts.insert(service->host);
  return std::unique_ptr<RemoteLibrary>(new RemoteLibrary(std::move(options), *std::move(service)));
}

// A picture that cannot be had is left out; the others may do.
Task<StatusOr<std::vector<LibraryPicture>>> RemoteLibrary::Search(PictureQuery query) {
  constexpr int64_t kMaxAnswerBytes = 1 << 20;
  const TimePoint deadline =
      std::min(query.deadline, std::chrono::steady_clock::now() + options_.patience);
  Task<StatusOr<std::string>> ask =
      FetchHttp(
          service_, MakeRemoteQuery(query), {.max_bytes = kMaxAnswerBytes, .deadline = deadline});
  StatusOr<std::string> answer = co_await std::move(ask);
  if (!answer.ok()) co_return answer.status();
  TRIPTYCH_CO_ASSIGN_OR_RETURN(const std::vector<RemoteCandidate> candidates,
                               ParseRemoteAnswer(*answer));
  std::vector<LibraryPicture> pictures;
  for (const RemoteCandidate& candidate : candidates) {
    if (std::cmp_greater_equal(pictures.size(), query.count)) break;
    if (query.exclude.contains(candidate.index)) continue;
    StatusOr<HttpUrl> url = HttpUrl::Parse(candidate.url);
    if (!url.ok() || !options_.hosts.contains(url->host)) {
      spdlog::warn("picture service: a picture at '{}' is left out: its host is not allowed",
                   LogId(candidate.url));
      continue;
    }
    Task<StatusOr<std::string>> fetch =
        FetchHttp(*url, {}, {.max_bytes = options_.max_image_bytes, .deadline = deadline});
    StatusOr<std::string> file = co_await std::move(fetch);
    if (!file.ok()) {
      spdlog::warn("picture service: a picture is left out: {}", Message(file.status()));
      continue;
    }
    pictures.push_back({.id = candidate.index,
                        .source = candidate.url,
                        .file = std::make_shared<const std::string>(*std::move(file))});
  }
  co_return pictures;
}

}  // namespace triptych::router
