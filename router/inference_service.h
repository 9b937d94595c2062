#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/async/io_runtime.h"
#include "common/model_card/model_card.h"
#include "common/rpc/server_call.h"
#include "router/compose/compose_session.h"
#include "router/config.h"
#include "router/fetch/picture_fetcher.h"
#include "router/image_store.h"
#include "router/request_session.h"
#include "router/tenant.h"
#include "triptych/v1/inference.grpc.pb.h"

namespace triptych::router {

// The models that this router knows, by name. Immutable once it serves.
class ModelCatalog {
 public:
  // kFailedPrecondition names the model, file and key.
  static StatusOr<ModelCatalog> Load(const std::vector<ModelEntry>& entries);
  void Add(std::string name, std::unique_ptr<ModelCard> card) { models_.emplace_back(std::move(name), std::move(card)); }
  // Empty takes the first. kNotFound (reason MODEL_UNKNOWN) names those that there are.
  StatusOr<std::pair<std::string, const ModelCard*>> Find(const std::string& name) const;
  const std::vector<std::pair<std::string, std::unique_ptr<ModelCard>>>& models() const { return models_; }

 private:
  std::vector<std::pair<std::string, std::unique_ptr<ModelCard>>> models_;
};

// The public API. All arguments outlive it.
class InferenceService final : public v1::Inference::CallbackService {
 public:
  InferenceService(IoRuntime* runtime,
                   const RouterConfig* config,
                   const ModelCatalog* models,
                   const LibraryCatalog* libraries,
                   ImageStore* images,
                   PictureFetcher* fetcher,
                   const SessionContext* context,
                   TenantResolver tenants = TenantOf);

  void Drain() { draining_ = true; }  // refuses new requests
  int64_t open_requests() const { return open_requests_; }

  grpc::ServerWriteReactor<v1::GenerateEvent>* Generate(grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override;
  grpc::ServerWriteReactor<v1::ComposeEvent>* Compose(grpc::CallbackServerContext* context, const v1::ComposeRequest* request) override;
  grpc::ServerReadReactor<v1::UploadImageRequest>* UploadImage(grpc::CallbackServerContext* context, v1::UploadImageResponse* response) override;
  grpc::ServerUnaryReactor* CountTokens(grpc::CallbackServerContext* context,
                                        const v1::CountTokensRequest* request,
                                        v1::CountTokensResponse* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;

  // Every method's gate, for services beside this one.
  const CallGate& gate() const { return gate_; }

  // What the methods of these names run, for streams of other clients than gRPC's.
  v1::ListModelsResponse ListModels() const;
  static Task<Status> RunGenerate(InferenceService* self,
                                  std::shared_ptr<GenerateStream> stream,
                                  v1::GenerateRequest request);
  static Task<Status> RunCompose(InferenceService* self,
                                 std::shared_ptr<ComposeStream> stream,
                                 v1::ComposeRequest request);

 private:
  using UploadStream = ServerStream<v1::UploadImageRequest, v1::UploadImageResponse>;
  // A request that is let in: a client's, or one that an article makes, which is let in as a whole.
  static Task<Status> ServeGenerate(InferenceService* self,
                                    std::shared_ptr<GenerateStream> stream,
                                    v1::GenerateRequest request);
  static Task<StatusOr<v1::UploadImageResponse>> RunUpload(InferenceService* self, std::shared_ptr<UploadStream> stream);
  static Task<StatusOr<v1::CountTokensResponse>> RunCount(InferenceService* self, CallInfo info, v1::CountTokensRequest request);
  static Task<StatusOr<v1::ListModelsResponse>> RunList(InferenceService* self, CallInfo info, v1::ListModelsRequest request);
  Status Identify(CallInfo& info) const;
  Status LetIn();  // counts an open request
  // Puts files where `images` have URLs; errors name them as `field`[i].
  static Task<Status> FetchPictures(InferenceService* self,
                                    std::vector<v1::Image*> images,
                                    std::string_view field,
                                    TimePoint deadline);
  StatusOr<AcceptedRequest> Accept(const v1::GenerateRequest& request, const CallInfo& info);
  StatusOr<AcceptedArticle> AcceptArticle(const v1::ComposeRequest& request, const CallInfo& info);

  IoRuntime& runtime_;
  const RouterConfig& config_;
  const ModelCatalog& models_;
  const LibraryCatalog& libraries_;
  ImageStore& images_;
  PictureFetcher& fetcher_;
  const SessionContext& context_;
  const ComposeContext compose_context_;
  const TenantResolver tenants_;
  const CallGate gate_{[this](CallInfo& info) { return Identify(info); }};
  std::atomic<bool> draining_{false};
  std::atomic<int64_t> open_requests_{0};
};

}  // namespace triptych::router
