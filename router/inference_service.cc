#include "router/inference_service.h"

#include <algorithm>
#include <utility>

#include "common/hash/sha256.h"
#include "common/log/log.h"
#include "common/rpc/parsed.h"
#include "common/status_reason.h"
#include "router/random_number.h"
#include "router/tenant.h"
#include "router/validation/article.h"
#include "router/validation/field_error.h"

namespace triptych::router {
namespace {

Status Malformed() {
  return WithReason(InvalidArgument("the request is malformed: it does not parse, or one of its strings is not UTF-8"), "MALFORMED");
}

// Handlers of calls that end with an error alone.
Task<Status> RefuseGenerate(std::shared_ptr<RequestSession::Stream>, v1::GenerateRequest) { co_return Malformed(); }
Task<StatusOr<v1::CountTokensResponse>> RefuseCount(CallInfo, v1::CountTokensRequest) { co_return Malformed(); }
Task<StatusOr<v1::ListModelsResponse>> RefuseList(CallInfo, v1::ListModelsRequest) { co_return Malformed(); }
Task<Status> RefuseCompose(std::shared_ptr<ComposeStream>, v1::ComposeRequest) {
  co_return Malformed();
}

}  // namespace

InferenceService::InferenceService(IoRuntime* runtime,
                                   const RouterConfig* config,
                                   const ModelCatalog* models,
                                   const LibraryCatalog* libraries,
                                   ImageStore* images,
                                   PictureFetcher* fetcher,
                                   const SessionContext* context,
                                   TenantResolver tenants)
    : runtime_(*runtime),
      config_(*config),
      models_(*models),
      libraries_(*libraries),
      images_(*images),
      fetcher_(*fetcher),
      context_(*context),
      compose_context_{
          .metrics = context->metrics,
          .images = images,
          .limits = config->limits,
          .max_unsent_bytes = context->max_unsent_bytes,
          .generate = [this](std::shared_ptr<GenerateStream> stream, v1::GenerateRequest request) {
            return ServeGenerate(this, std::move(stream), std::move(request));
          }},
      tenants_(std::move(tenants)) {
  // By the methods' order in the proto. Requests are taken even where they do not parse.
  constexpr int kGenerate = 0, kCompose = 1, kCountTokens = 3, kListModels = 4;
  using GenerateHandler = grpc::internal::CallbackServerStreamingHandler<Parsed<v1::GenerateRequest>, v1::GenerateEvent>;
  MarkMethodCallback(kGenerate, new GenerateHandler([this](grpc::CallbackServerContext* context, const Parsed<v1::GenerateRequest>* request) {
    if (request->well_formed) return Generate(context, &request->message);
    context_.metrics->RequestRefused(StatusCode::kInvalidArgument);
    return ServeWriter<v1::GenerateRequest, v1::GenerateEvent>(runtime_, context, &request->message, RefuseGenerate, gate_);
  }));
  using ComposeHandler =
      grpc::internal::CallbackServerStreamingHandler<Parsed<v1::ComposeRequest>, v1::ComposeEvent>;
  MarkMethodCallback(kCompose,
                     new ComposeHandler([this](grpc::CallbackServerContext* context,
                                               const Parsed<v1::ComposeRequest>* request) {
                       if (request->well_formed) return Compose(context, &request->message);
                       return ServeWriter<v1::ComposeRequest, v1::ComposeEvent>(
                           runtime_, context, &request->message, RefuseCompose, gate_);
                     }));
  using CountHandler = grpc::internal::CallbackUnaryHandler<Parsed<v1::CountTokensRequest>, v1::CountTokensResponse>;
  MarkMethodCallback(kCountTokens, new CountHandler([this](grpc::CallbackServerContext* context, const Parsed<v1::CountTokensRequest>* request,
                                                           v1::CountTokensResponse* response) {
    if (request->well_formed) return CountTokens(context, &request->message, response);
    return ServeUnary<v1::CountTokensRequest, v1::CountTokensResponse>(runtime_, context, &request->message, response, RefuseCount, gate_);
  }));
  using ListHandler = grpc::internal::CallbackUnaryHandler<Parsed<v1::ListModelsRequest>, v1::ListModelsResponse>;
  MarkMethodCallback(kListModels, new ListHandler([this](grpc::CallbackServerContext* context, const Parsed<v1::ListModelsRequest>* request,
                                                         v1::ListModelsResponse* response) {
    if (request->well_formed) return ListModels(context, &request->message, response);
    return ServeUnary<v1::ListModelsRequest, v1::ListModelsResponse>(runtime_, context, &request->message, response, RefuseList, gate_);
  }));
}

StatusOr<ModelCatalog> ModelCatalog::Load(const std::vector<ModelEntry>& entries) {
  ModelCatalog catalog;
  for (const ModelEntry& entry : entries) {
    auto card = LoadModelCard(entry.path);
    if (!card.ok()) return WithContext(fmt::format("model '{}'", entry.name), card.status());
    catalog.Add(entry.name, *std::move(card));
  }
  return catalog;
}

StatusOr<std::pair<std::string, const ModelCard*>> ModelCatalog::Find(const std::string& name) const {
  std::string known;
  for (const auto& [model, card] : models_) {
    if (name.empty() || name == model) return std::pair(model, card.get());
    known += (known.empty() ? "" : ", ") + model;
  }
  return WithReason(NotFound("model: no '{}' here; there are: {}", LogId(name), known), "MODEL_UNKNOWN", "model");
}

grpc::ServerWriteReactor<v1::GenerateEvent>* InferenceService::Generate(grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  return ServeWriter<v1::GenerateRequest, v1::GenerateEvent>(
      runtime_, context, request, [this](std::shared_ptr<GenerateStream> stream, v1::GenerateRequest request) {
        return RunGenerate(this, std::move(stream), std::move(request));
      }, gate_);
}

StatusOr<AcceptedRequest> InferenceService::Accept(const v1::GenerateRequest& request,
                                                   const CallInfo& info) {
  AcceptedRequest accepted;
  TRIPTYCH_ASSIGN_OR_RETURN(const auto model, models_.Find(request.model()));
  accepted.model = model.first;
  accepted.card = model.second;
  accepted.tenant = info.tenant;
  TRIPTYCH_ASSIGN_OR_RETURN(accepted.options, CheckOptions(request, *accepted.card, config_.limits));
  TRIPTYCH_ASSIGN_OR_RETURN(accepted.prompt, PreparePrompt(request.prompt(), *accepted.card, accepted.tenant, config_.limits, images_));
  TRIPTYCH_ASSIGN_OR_RETURN(accepted.max_new_tokens,
                            ResolveMaxNewTokens(accepted.options, *accepted.card, accepted.prompt.prompt_tokens(), accepted.prompt.image_tokens));
  if (!accepted.options.sampling.has_seed()) accepted.options.sampling.set_seed(DrawNumber());
  accepted.id = accepted.options.request_id.empty() ? DrawRequestId() : accepted.options.request_id;
  return accepted;
}

Status InferenceService::Identify(CallInfo& info) const {
  StatusOr<std::string> tenant = tenants_(info.credentials);
  if (!tenant.ok()) {
    context_.metrics->RequestRefused(tenant.status().code());
    return tenant.status();
  }
  info.tenant = *std::move(tenant);
  return OkStatus();
}

Status InferenceService::LetIn() {
  if (draining_) return WithReason(Unavailable("this router is draining"), "DRAINING");
  if (++open_requests_ <= config_.max_requests) return OkStatus();
  --open_requests_;
  return WithReason(
      ResourceExhausted("this router has {} open requests, its limit", config_.max_requests),
      "ROUTER_FULL");
}

Task<Status> InferenceService::FetchPictures(InferenceService* self,
                                             std::vector<v1::Image*> images,
                                             std::string_view field,
                                             TimePoint deadline) {
  const Status count = CheckCount(field, std::ssize(images), self->config_.limits.max_images);
  if (!count.ok()) co_return count;
  Task<Status> fetch = PictureFetcher::Fetch(&self->fetcher_, std::move(images), field, deadline);
  const Status status = co_await std::move(fetch);
  co_return status;
}

Task<Status> InferenceService::RunGenerate(InferenceService* self, std::shared_ptr<GenerateStream> stream, v1::GenerateRequest request) {
  Status status = self->LetIn();
  if (!status.ok()) {
    self->context_.metrics->RequestRefused(status.code());
    co_return status;
  }
  Task<Status> serve = ServeGenerate(self, std::move(stream), std::move(request));
  status = co_await std::move(serve);
  --self->open_requests_;
  co_return status;
}

Task<Status> InferenceService::ServeGenerate(InferenceService* self,
                                             std::shared_ptr<GenerateStream> stream,
                                             v1::GenerateRequest request) {
  const TimePoint arrived = std::chrono::steady_clock::now();
  Task<Status> fetch = FetchPictures(
      self, ImagesOf(request.mutable_prompt()), "prompt.images", stream->info().deadline);
  const Status fetched = co_await std::move(fetch);
  StatusOr<AcceptedRequest> accepted =
      fetched.ok() ? self->Accept(request, stream->info()) : StatusOr<AcceptedRequest>(fetched);
  request.Clear();
  if (!accepted.ok()) {
    self->context_.metrics->RequestRefused(accepted.status().code());
    spdlog::info("request refused: {}: {}",
                 absl::StatusCodeToString(accepted.status().code()),
                 Message(accepted.status()));
    co_return accepted.status();
  }
  auto session =
      std::make_shared<RequestSession>(&self->context_, stream, *std::move(accepted), arrived);
  Task<Status> run = RequestSession::Run(session);
  const Status status = co_await std::move(run);
  co_return status;
}

grpc::ServerWriteReactor<v1::ComposeEvent>* InferenceService::Compose(
    grpc::CallbackServerContext* context, const v1::ComposeRequest* request) {
  return ServeWriter<v1::ComposeRequest, v1::ComposeEvent>(
      runtime_,
      context,
      request,
      [this](std::shared_ptr<ComposeStream> stream, v1::ComposeRequest request) {
        return RunCompose(this, std::move(stream), std::move(request));
      },
      gate_);
}

StatusOr<AcceptedArticle> InferenceService::AcceptArticle(const v1::ComposeRequest& request,
                                                          const CallInfo& info) {
  constexpr int32_t kUsualCandidates = 4;
  AcceptedArticle accepted;
  TRIPTYCH_ASSIGN_OR_RETURN(const auto model, models_.Find(request.model()));
  accepted.model = model.first;
  accepted.card = model.second;
  accepted.tenant = info.tenant;
  TRIPTYCH_RETURN_IF_ERROR(CheckArticle(request, *accepted.card, config_.limits));
  TRIPTYCH_ASSIGN_OR_RETURN(accepted.library, libraries_.Find(request.library()));
  for (int i = 0; i < request.images_size(); ++i) {
    const std::string field = fmt::format("images[{}]", i);
    auto image = ResolveImage(request.images(i), accepted.tenant, config_.limits, images_);
    if (!image.ok())
      return WithReason(WithContext(field, image.status()), ReasonOf(image.status()), field);
    const uint32_t max_tiles = request.images(i).max_tiles();
    const auto tiles = accepted.card->ImageTiles(
        {image->header.size, static_cast<int32_t>(std::min<uint32_t>(max_tiles, 0x7fffffff))});
    if (accepted.card->accepts_images() && !tiles.ok())
      return WithReason(WithContext(field, tiles.status()), "IMAGE", field);
    accepted.own_pictures.push_back({*std::move(image), max_tiles});
  }
  accepted.instruction = std::string(TrimSpace(request.instruction()));
  accepted.language = request.language();
  accepted.seed = request.sampling().has_seed() ? request.sampling().seed() : DrawNumber();
  if (SaysHowToSample(request.sampling())) accepted.sampling = request.sampling();
  accepted.max_new_tokens = static_cast<int32_t>(request.max_new_tokens());
  if (request.has_max_images())
    accepted.max_images =
        static_cast<int32_t>(std::min<uint32_t>(request.max_images(), kMaxParagraphs));
  accepted.num_candidates =
      request.candidates() != 0 ? static_cast<int32_t>(request.candidates()) : kUsualCandidates;
  accepted.send_page = request.page();
  accepted.send_pictures = request.pictures();
  accepted.id = request.request_id().empty() ? DrawRequestId() : request.request_id();
  return accepted;
}

Task<Status> InferenceService::RunCompose(InferenceService* self,
                                          std::shared_ptr<ComposeStream> stream,
                                          v1::ComposeRequest request) {
  const TimePoint arrived = std::chrono::steady_clock::now();
  Status status = self->LetIn();
  if (!status.ok()) co_return status;
  std::vector<v1::Image*> images(request.mutable_images()->pointer_begin(),
                                 request.mutable_images()->pointer_end());
  Task<Status> fetch =
      FetchPictures(self, std::move(images), "images", stream->info().deadline);
  status = co_await std::move(fetch);
  StatusOr<AcceptedArticle> accepted = status.ok() ? self->AcceptArticle(request, stream->info())
                                                   : StatusOr<AcceptedArticle>(status);
  request.Clear();
  status = accepted.status();
  if (status.ok()) {
    auto session = std::make_shared<ComposeSession>(
        &self->compose_context_, std::move(stream), *std::move(accepted), arrived);
    Task<Status> run = ComposeSession::Run(session);
    status = co_await std::move(run);
  } else {
    spdlog::info(
        "article refused: {}: {}", absl::StatusCodeToString(status.code()), Message(status));
  }
  --self->open_requests_;
  co_return status;
}

grpc::ServerReadReactor<v1::UploadImageRequest>* InferenceService::UploadImage(grpc::CallbackServerContext* context, v1::UploadImageResponse* response) {
  return ServeReader<v1::UploadImageRequest, v1::UploadImageResponse>(
      runtime_, context, response, [this](std::shared_ptr<UploadStream> stream) { return RunUpload(this, std::move(stream)); }, gate_);
}

Task<StatusOr<v1::UploadImageResponse>> InferenceService::RunUpload(InferenceService* self, std::shared_ptr<UploadStream> stream) {
  std::string file;
  while (true) {
    std::optional<v1::UploadImageRequest> chunk = co_await stream->Read();
    if (!chunk) break;
    const auto size = static_cast<int64_t>(file.size() + chunk->chunk().size());
    if (size > self->config_.limits.max_image_bytes) {
      co_return WithReason(InvalidArgument("chunk: a picture file has at most {} bytes", self->config_.limits.max_image_bytes), "IMAGE_TOO_LARGE", "chunk");
    }
    file += chunk->chunk();
  }
  if (stream->cancelled()) co_return Cancelled("the client is gone or has cancelled");
  TRIPTYCH_CO_ASSIGN_OR_RETURN(StoredImage image, ReadImage(std::move(file), self->config_.limits));
  v1::UploadImageResponse response;
  response.set_sha256(ToHex(image.digest));
  response.set_width(image.header.size.width);
  response.set_height(image.header.size.height);
  self->images_.Put(stream->info().tenant, std::move(image));
  co_return response;
}

grpc::ServerUnaryReactor* InferenceService::CountTokens(grpc::CallbackServerContext* context,
                                                        const v1::CountTokensRequest* request,
                                                        v1::CountTokensResponse* response) {
  return ServeUnary<v1::CountTokensRequest, v1::CountTokensResponse>(
      runtime_, context, request, response, [this](CallInfo info, v1::CountTokensRequest request) {
        return RunCount(this, std::move(info), std::move(request));
      }, gate_);
}

Task<StatusOr<v1::CountTokensResponse>> InferenceService::RunCount(InferenceService* self, CallInfo info, v1::CountTokensRequest request) {
  TRIPTYCH_CO_ASSIGN_OR_RETURN(const auto model, self->models_.Find(request.model()));
  Task<Status> fetch =
      FetchPictures(self, ImagesOf(request.mutable_prompt()), "prompt.images", info.deadline);
  const Status fetched = co_await std::move(fetch);
  if (!fetched.ok()) co_return fetched;
  TRIPTYCH_CO_ASSIGN_OR_RETURN(const PreparedPrompt prompt,
                               PreparePrompt(request.prompt(), *model.second, info.tenant, self->config_.limits, self->images_));
  v1::CountTokensResponse response;
  response.set_prompt_tokens(prompt.prompt_tokens());
  response.set_image_tokens(prompt.image_tokens);
  for (const TokenId id : prompt.tokens.ids) response.add_ids(id == kImageRow ? model.second->image_placeholder() : id);
  co_return response;
}

grpc::ServerUnaryReactor* InferenceService::ListModels(grpc::CallbackServerContext* context,
                                                       const v1::ListModelsRequest* request,
                                                       v1::ListModelsResponse* response) {
  return ServeUnary<v1::ListModelsRequest, v1::ListModelsResponse>(
      runtime_, context, request, response, [this](CallInfo info, v1::ListModelsRequest request) {
        return RunList(this, std::move(info), std::move(request));
      }, gate_);
}

Task<StatusOr<v1::ListModelsResponse>> InferenceService::RunList(InferenceService* self, CallInfo, v1::ListModelsRequest) {
  co_return self->ListModels();
}

v1::ListModelsResponse InferenceService::ListModels() const {
  v1::ListModelsResponse response;
  for (const auto& [name, card] : models_.models()) {
    v1::Model* model = response.add_models();
    const auto [encoders, decoders] = context_.workers->CountReady(name);
    model->set_name(name);
    model->set_family(card->family());
    model->set_context_tokens(card->context_tokens());
    model->set_accepts_images(card->accepts_images());
    model->set_ready_encoders(encoders);
    model->set_ready_decoders(decoders);
    model->mutable_adapters()->Assign(card->adapters().begin(), card->adapters().end());
    model->set_max_tiles(card->max_tiles());
    if (card->accepts_images()) model->set_default_max_tiles(card->DefaultMaxTiles(/*num_images=*/1));
    model->set_default_max_new_tokens(card->defaults().max_new_tokens);
    model->set_accepts_conversations(card->accepts_conversations());
  }
  return response;
}

}  // namespace triptych::router
