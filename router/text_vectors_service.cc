#include "router/text_vectors_service.h"

#include <utility>

#include "common/rpc/parsed.h"
#include "common/status_reason.h"

namespace triptych::router {
namespace {

Task<StatusOr<v1::EmbedResponse>> Refuse(CallInfo, v1::EmbedRequest) {
  co_return WithReason(InvalidArgument("the request is malformed: it does not parse, or one of its strings is not UTF-8"), "MALFORMED");
}

}  // namespace

TextVectorsService::TextVectorsService(IoRuntime* runtime,
                                       const TextEmbedder* embedder,
                                       CallGate gate)
    : runtime_(*runtime), embedder_(*embedder), gate_(std::move(gate)) {
  // Also requests that do not parse: see Parsed.
  using Handler = grpc::internal::CallbackUnaryHandler<Parsed<v1::EmbedRequest>, v1::EmbedResponse>;
  MarkMethodCallback(0, new Handler([this](grpc::CallbackServerContext* context,
                                           const Parsed<v1::EmbedRequest>* request,
                                           v1::EmbedResponse* response) {
    if (request->well_formed) return Embed(context, &request->message, response);
    return ServeUnary<v1::EmbedRequest, v1::EmbedResponse>(
        runtime_, context, &request->message, response, Refuse, gate_);
  }));
}

grpc::ServerUnaryReactor* TextVectorsService::Embed(grpc::CallbackServerContext* context,
                                                    const v1::EmbedRequest* request,
                                                    v1::EmbedResponse* response) {
  return ServeUnary<v1::EmbedRequest, v1::EmbedResponse>(
      runtime_,
      context,
      request,
      response,
      [this](CallInfo info, v1::EmbedRequest request) {
        return RunEmbed(&embedder_, std::move(info), std::move(request));
      },
      gate_);
}

Task<StatusOr<v1::EmbedResponse>> TextVectorsService::RunEmbed(const TextEmbedder* embedder,
                                                               CallInfo info,
                                                               v1::EmbedRequest request) {
  std::vector<std::string> texts(request.texts().begin(), request.texts().end());
  Task<StatusOr<std::vector<TextVector>>> embed =
      TextEmbedder::Embed(embedder, request.model(), std::move(texts), info.deadline);
  const StatusOr<std::vector<TextVector>> vectors = co_await std::move(embed);
  if (!vectors.ok()) co_return vectors.status();
  v1::EmbedResponse response;
  response.set_space(vectors->front().space);
  for (const TextVector& vector : *vectors)
    response.add_vectors()->mutable_values()->Add(vector.values.begin(), vector.values.end());
  co_return response;
}

}  // namespace triptych::router
