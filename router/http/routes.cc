#include "router/http/routes.h"

#include <utility>

#include "common/log/log.h"
#include "common/status_reason.h"
#include "nlohmann/json.hpp"
#include "router/http/article_route.h"
#include "router/http/json_text.h"
#include "router/picture_page.h"

namespace triptych::router {
namespace {

nlohmann::json ModelJson(const v1::Model& model, int64_t created) {
  return {{"id", model.name()},
          {"object", "model"},
          {"created", created},
          {"owned_by", model.family()},
          {"context_tokens", model.context_tokens()},
          {"accepts_images", model.accepts_images()},
          {"ready_encoders", model.ready_encoders()},
          {"ready_decoders", model.ready_decoders()},
          {"adapters", model.adapters()},
          {"max_tiles", model.max_tiles()},
          {"default_max_tiles", model.default_max_tiles()},
          {"default_max_new_tokens", model.default_max_new_tokens()},
          {"accepts_conversations", model.accepts_conversations()}};
}

HttpReply JsonReply(const nlohmann::json& json) {
  return {.content_type = "application/json", .body = JsonText(json) + "\n"};
}

void AddModelRoutes(HttpServer& server, const InferenceService* service) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t created = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  const auto list = [service, created](const HttpRequest&) -> StatusOr<HttpReply> {
    nlohmann::json data = nlohmann::json::array();
    const v1::ListModelsResponse response = service->ListModels();
    for (const v1::Model& model : response.models()) data.push_back(ModelJson(model, created));
    return JsonReply({{"object", "list"}, {"data", std::move(data)}});
  };
  const auto one = [service, created](const HttpRequest& request) -> StatusOr<HttpReply> {
    const v1::ListModelsResponse response = service->ListModels();
    for (const v1::Model& model : response.models()) {
      if (model.name() == request.rest) return JsonReply(ModelJson(model, created));
    }
    return WithReason(NotFound("there is no model '{}' here", LogId(request.rest)),
                      "MODEL_UNKNOWN",
                      "model");
  };
  server.AddReadable("/v1/models", "models", list);
  server.AddReadable("/v1/models/", "models", one);
}

}  // namespace

void AddInferenceRoutes(HttpServer& server, InferenceBackend backend, ImageStore* images) {
  const auto add = [&](std::string path, std::string endpoint, HttpHandler handler) {
    server.AddRoute({.path = std::move(path),
                     .takes_json = true,
                     .endpoint = std::move(endpoint),
                     .handler = std::move(handler)});
  };
  add("/v1/chat/completions",
      "chat_completions",
      [backend](std::shared_ptr<HttpExchange> exchange) {
        return ServeCompletion(backend, CompletionForm::kChat, std::move(exchange));
      });
  add("/v1/completions", "completions", [backend](std::shared_ptr<HttpExchange> exchange) {
    return ServeCompletion(backend, CompletionForm::kText, std::move(exchange));
  });
  add("/v1/articles", "articles", [backend](std::shared_ptr<HttpExchange> exchange) {
    return ServeArticle(backend, std::move(exchange));
  });
  AddModelRoutes(server, backend.service);
  server.AddReadable(kPictureFolder, "pictures", [images](const HttpRequest& request) {
    return PictureReply(*images, request);
  });
}

void AddProbeRoutes(HttpServer& server, std::function<Status()> ready) {
  server.AddReadable("/healthz", "probes", [](const HttpRequest&) -> StatusOr<HttpReply> {
    return HttpReply{.body = "ok\n"};
  }, /*open=*/true);
  server.AddReadable("/readyz",
              "probes",
              [ready = std::move(ready)](const HttpRequest&) -> StatusOr<HttpReply> {
                const Status status = ready();
                if (status.ok()) return HttpReply{.body = "ok\n"};
                return HttpReply{.status = 503, .body = std::string(Message(status)) + "\n"};
              },
              /*open=*/true);
}

}  // namespace triptych::router
