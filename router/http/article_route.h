#pragma once

#include "router/http/completion_route.h"

namespace triptych::router {

// Handler of /v1/articles: the body is a ComposeRequest in proto3 JSON, the answer a stream of
// ComposeEvents, likewise, with the proto's own field names and zeros written out.
Task<Status> ServeArticle(InferenceBackend backend, std::shared_ptr<HttpExchange> exchange);

// kInvalidArgument names the field, where protobuf says which.
StatusOr<v1::ComposeRequest> ReadArticleRequest(std::string body);

}  // namespace triptych::router
