#pragma once

#include "common/async/io_runtime.h"
#include "common/rpc/server_call.h"
#include "router/text_embedder.h"
#include "triptych/v1/text_vectors.grpc.pb.h"

namespace triptych::router {

// The public TextVectors service. All arguments outlive it.
class TextVectorsService final : public v1::TextVectors::CallbackService {
 public:
  TextVectorsService(IoRuntime* runtime, const TextEmbedder* embedder, CallGate gate = {});

  grpc::ServerUnaryReactor* Embed(grpc::CallbackServerContext* context,
                                  const v1::EmbedRequest* request,
                                  v1::EmbedResponse* response) override;

 private:
  static Task<StatusOr<v1::EmbedResponse>> RunEmbed(const TextEmbedder* embedder,
                                                    CallInfo info,
                                                    v1::EmbedRequest request);

  IoRuntime& runtime_;
  const TextEmbedder& embedder_;
  const CallGate gate_;
};

}  // namespace triptych::router
