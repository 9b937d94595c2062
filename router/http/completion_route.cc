#include "router/http/completion_route.h"

#include <utility>

#include "router/http/call_headers.h"
#include "router/http/completion_answer.h"
#include "router/http/error_reply.h"
#include "router/http/http_call.h"
#include "router/validation/field_error.h"

namespace triptych::router {
namespace {

using GenerateCall = HttpCall<v1::GenerateRequest, v1::GenerateEvent>;

// As one chunk after another, or kept until all is there.
Task<bool> PassOn(std::shared_ptr<HttpExchange> exchange,
                  std::shared_ptr<CompletionAnswer> answer,
                  v1::GenerateEvent event) {
  answer->Take(event);
  std::vector<std::string> chunks = answer->TakeChunks();
  if (chunks.empty()) co_return true;
  Task<bool> send = exchange->SendEvents(std::move(chunks));
  const bool sent = co_await std::move(send);
  co_return sent;
}

CompletionAnswer::Shape ShapeOf(const CompletionRequest& request) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {.form = request.form,
          .stream = request.stream,
          .include_usage = request.include_usage,
          .logprobs = request.logprobs,
          .top_logprobs = request.top_logprobs,
          .num_choices = request.generate.sampling().n(),
          .created = std::chrono::duration_cast<std::chrono::seconds>(now).count()};
}

struct Accepted {
  CallHeaders headers;
  CompletionRequest request;
  const ModelCard* card = nullptr;
};

StatusOr<Accepted> Accept(const InferenceBackend& backend,
                          CompletionForm form,
                          HttpExchange& exchange) {
  Accepted accepted;
  const RequestLimits& limits = backend.config->limits;
  TRIPTYCH_ASSIGN_OR_RETURN(accepted.headers, ReadCallHeaders(exchange.request(), limits));
  exchange.SetHeader("X-Request-Id", accepted.headers.request_id);
  std::string body = exchange.TakeBody();
  TRIPTYCH_ASSIGN_OR_RETURN(accepted.request,
                            form == CompletionForm::kChat ? ReadChatRequest(std::move(body))
                                                          : ReadTextRequest(std::move(body)));
  v1::GenerateRequest& generate = accepted.request.generate;
  generate.set_request_id(accepted.headers.request_id);
  TRIPTYCH_ASSIGN_OR_RETURN(const auto model, backend.models->Find(generate.model()));
  accepted.card = model.second;
  if (std::cmp_greater(generate.sampling().n(), limits.max_sequences))
    return InTermsOf(accepted.request,
                     CheckCount("sampling.n", generate.sampling().n(), limits.max_sequences));
  return accepted;
}

}  // namespace

Task<Status> ServeCompletion(InferenceBackend backend,
                             CompletionForm form,
                             std::shared_ptr<HttpExchange> exchange) {
  StatusOr<Accepted> accepted = Accept(backend, form, *exchange);
  if (!accepted.ok()) {
    backend.metrics->RequestRefused(accepted.status().code());
    LogRefused(accepted.status());
    co_return accepted.status();
  }
  CompletionRequest& request = accepted->request;
  auto answer =
      std::make_shared<CompletionAnswer>(ShapeOf(request), &accepted->card->tokenizer());
  const GenerateCall::Sink sink = [exchange, answer](v1::GenerateEvent event) {
    return PassOn(exchange, answer, std::move(event));
  };
  const GenerateCall::Method method = [service = backend.service](
                                          std::shared_ptr<GenerateStream> stream,
                                          v1::GenerateRequest generate) {
    return InferenceService::RunGenerate(service, std::move(stream), std::move(generate));
  };
  Task<Status> run = GenerateCall::Run(exchange,
                                       std::move(accepted->headers.info),
                                       sink,
                                       method,
                                       std::exchange(request.generate, {}));
  const Status status = co_await std::move(run);
  if (!status.ok()) co_return InTermsOf(request, status);
  if (!request.stream) {
    exchange->Reply({.content_type = "application/json", .body = answer->Whole()});
    co_return OkStatus();
  }
  std::vector<std::string> rest;
  if (request.include_usage) rest.push_back(answer->UsageChunk());
  rest.push_back(kEndOfEvents);
  Task<bool> send = exchange->SendEvents(std::move(rest));
  co_await std::move(send);
  co_return OkStatus();
}

}  // namespace triptych::router
