#include "router/http/article_route.h"

#include <google/protobuf/util/json_util.h>

#include <utility>

#include "common/log/log.h"
#include "common/status_reason.h"
#include "router/http/call_headers.h"
#include "router/http/error_reply.h"
#include "router/http/http_call.h"
#include "router/http/json_body.h"

namespace triptych::router {
namespace {

using ComposeCall = HttpCall<v1::ComposeRequest, v1::ComposeEvent>;

constexpr size_t kMaxProblemBytes = 200;  // protobuf quotes the value that it stumbled over

Task<bool> PassOn(std::shared_ptr<HttpExchange> exchange, v1::ComposeEvent event) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(event, &json, options).ok()) co_return false;
  Task<bool> send = exchange->SendEvents({std::move(json)});
  const bool sent = co_await std::move(send);
  co_return sent;
}

StatusOr<std::pair<CallHeaders, v1::ComposeRequest>> Accept(const InferenceBackend& backend,
                                                            HttpExchange& exchange) {
  TRIPTYCH_ASSIGN_OR_RETURN(CallHeaders headers,
                            ReadCallHeaders(exchange.request(), backend.config->limits));
  TRIPTYCH_ASSIGN_OR_RETURN(v1::ComposeRequest request, ReadArticleRequest(exchange.TakeBody()));
  if (request.request_id().empty()) request.set_request_id(headers.request_id);
  return std::pair(std::move(headers), std::move(request));
}

}  // namespace

StatusOr<v1::ComposeRequest> ReadArticleRequest(std::string body) {
  // Protobuf's own parser takes more than JSON, and to any length.
  TRIPTYCH_RETURN_IF_ERROR(ParseJsonBody(body).status());
  v1::ComposeRequest request;
  const auto status = google::protobuf::util::JsonStringToMessage(body, &request);
  if (status.ok()) return request;
  const std::string text(status.message().data(),
                         std::min(status.message().size(), kMaxProblemBytes));
  return WithReason(InvalidArgument("the body is no ComposeRequest: {}", text), "JSON");
}

Task<Status> ServeArticle(InferenceBackend backend, std::shared_ptr<HttpExchange> exchange) {
  auto accepted = Accept(backend, *exchange);
  if (!accepted.ok()) {
    LogRefused(accepted.status());
    co_return accepted.status();
  }
  exchange->SetHeader("X-Request-Id", LogId(accepted->second.request_id()));
  const ComposeCall::Sink sink = [exchange](v1::ComposeEvent event) {
    return PassOn(exchange, std::move(event));
  };
  const ComposeCall::Method method = [service = backend.service](
                                         std::shared_ptr<ComposeStream> stream,
                                         v1::ComposeRequest request) {
    return InferenceService::RunCompose(service, std::move(stream), std::move(request));
  };
  Task<Status> run = ComposeCall::Run(exchange,
                                      std::move(accepted->first.info),
                                      sink,
                                      method,
                                      std::move(accepted->second));
  const Status status = co_await std::move(run);
  if (!status.ok()) co_return status;
  Task<bool> done = exchange->SendEvents({kEndOfEvents});
  co_await std::move(done);
  co_return OkStatus();
}

}  // namespace triptych::router
