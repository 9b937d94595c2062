#include "worker/process/token_table_service.h"

#include <utility>

namespace triptych::worker {

using internal::v1::AverageRequest;
using internal::v1::AverageResponse;

StatusOr<AverageResponse> TokenTableService::AverageOf(const AverageRequest& request) const {
  if (request.card_digest() != identity_.card_digest())
    return FailedPrecondition("the request is meant for another model than '{}'", identity_.name());
  if (!table_.ok()) return table_.status();
  AverageResponse response;
  response.set_weights_digest(identity_.weights_digest());
  for (const auto& text : request.texts()) {
    const std::vector<TokenId> ids(text.ids().begin(), text.ids().end());
    TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<float> mean, table_->MeanOf(ids));
    response.add_vectors()->mutable_values()->Add(mean.begin(), mean.end());
  }
  return response;
}

grpc::ServerUnaryReactor* TokenTableService::Average(grpc::CallbackServerContext* context,
                                                     const AverageRequest* request,
                                                     AverageResponse* response) {
  return ServeUnary<AverageRequest, AverageResponse>(
      runtime_, context, request, response, [this](CallInfo, AverageRequest request) {
        return RunAverage(this, std::move(request));
      });
}

Task<StatusOr<AverageResponse>> TokenTableService::RunAverage(const TokenTableService* self,
                                                              AverageRequest request) {
  co_return self->AverageOf(request);
}

}  // namespace triptych::worker
