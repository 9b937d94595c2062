#pragma once

#include <functional>

#include "common/status.h"
#include "router/http/completion_route.h"
#include "router/http/http_server.h"
#include "router/image_store.h"

namespace triptych::router {

// The inference service over HTTP, as docs/openai.md has it: OpenAI's chat completions, completions
// and models; articles; and the pictures of both. Each request goes the way of its gRPC method.
void AddInferenceRoutes(HttpServer& server, InferenceBackend backend, ImageStore* images);

// /healthz, and /readyz with what `ready` says. Called on any thread; must not block.
void AddProbeRoutes(HttpServer& server, std::function<Status()> ready);

}  // namespace triptych::router
