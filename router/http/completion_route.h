#pragma once

#include "router/http/http_exchange.h"
#include "router/http/completion_request.h"
#include "router/inference_service.h"

namespace triptych::router {

// What the handlers of inference share. All of it outlives them.
struct InferenceBackend {
  InferenceService* service = nullptr;
  const ModelCatalog* models = nullptr;
  const RouterConfig* config = nullptr;
  Metrics* metrics = nullptr;
};

// Handlers of /v1/chat/completions and /v1/completions.
Task<Status> ServeCompletion(InferenceBackend backend,
                             CompletionForm form,
                             std::shared_ptr<HttpExchange> exchange);

}  // namespace triptych::router
