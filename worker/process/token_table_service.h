#pragma once

#include "common/async/io_runtime.h"
#include "common/rpc/server_call.h"
#include "triptych/internal/v1/cluster.pb.h"
#include "triptych/internal/v1/token_table.grpc.pb.h"
#include "worker/process/token_table.h"

namespace triptych::worker {

// The TokenTable service, from the worker's start to its end. All arguments outlive it.
class TokenTableService final : public internal::v1::TokenTable::CallbackService {
 public:
  TokenTableService(IoRuntime* runtime,
                    const internal::v1::ModelIdentity* identity,
                    const weights::WeightLoader* loader,
                    int64_t vocab_size,
                    int64_t hidden_size)
      : runtime_(*runtime), identity_(*identity), table_(TokenTable::Open(loader, vocab_size, hidden_size)) {}

  grpc::ServerUnaryReactor* Average(grpc::CallbackServerContext* context,
                                    const internal::v1::AverageRequest* request,
                                    internal::v1::AverageResponse* response) override;

 private:
  static Task<StatusOr<internal::v1::AverageResponse>> RunAverage(
      const TokenTableService* self, internal::v1::AverageRequest request);
  StatusOr<internal::v1::AverageResponse> AverageOf(const internal::v1::AverageRequest& request) const;

  IoRuntime& runtime_;
  const internal::v1::ModelIdentity& identity_;
  const StatusOr<TokenTable> table_;  // what a checkpoint lacks is an error of these calls alone
};

}  // namespace triptych::worker
