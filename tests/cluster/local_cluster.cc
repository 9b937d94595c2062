#include "tests/cluster/local_cluster.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "common/check.h"
#include "common/hash/sha256.h"
#include "router/cache_watcher.h"
#include "router/http/routes.h"
#include "router/policies/routing_policy.h"
#include "tests/fakes/fake_model_card.h"
#include "tests/fakes/tiny_bmp.h"

namespace triptych::cluster_test {
namespace {

constexpr int32_t kMaxTiles = 2;  // with it the fake card and the fake tower agree on a picture's rows
const char kModel[] = "fake";

class ClusterCard final : public fakes::FakeModelCard {
  std::span<const std::string> adapters() const override { return adapters_; }
  int32_t DefaultMaxTiles(int32_t /*num_images*/) const override { return kMaxTiles; }

  const std::vector<std::string> adapters_ = {"base", "web"};
};

Surroundings MakeSurroundings(IoRuntime* runtime,
                              ChannelPool* channels,
                              const ModelCard* card,
                              std::string coordinator,
                              fakes::FakeShardGroup::Script script) {
  Surroundings around{.runtime = runtime,
                      .channels = channels,
                      .card = card,
                      .coordinator = std::move(coordinator),
                      .script = std::move(script)};
  around.identity.set_name(kModel);
  around.identity.set_family(card->family());
  around.identity.set_card_digest(card->digest().data(), card->digest().size());
  around.identity.set_weights_digest("weights");
  around.identity.set_numerics("fake-tp1");
  around.identity.set_context_tokens(card->context_tokens());
  around.identity.set_hidden_size(card->hidden_size());
  return around;
}

router::ModelCatalog MakeCatalog() {
  router::ModelCatalog catalog;
  catalog.Add(kModel, std::make_unique<ClusterCard>());
  return catalog;
}

router::LibraryCatalog MakeLibraries(fakes::ListLibrary* library) {
  router::LibraryCatalog catalog;
  if (library != nullptr)
    catalog.Add("pictures", std::make_unique<fakes::LibraryReference>(library));
  return catalog;
}

std::shared_ptr<grpc::Channel> Connect(int port, grpc::ChannelArguments arguments = {}) {
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(Endpoint{"127.0.0.1", port}.ToString(), grpc::InsecureChannelCredentials(), arguments);
}

bool IsReady(const ClusterView& view, const WorkerShell& worker) {
  const auto found = view.workers.find(worker.id());
  return found != view.workers.end() && found->second.registration().incarnation() == worker.incarnation() &&
         found->second.state() == internal::v1::WORKER_STATE_READY;
}

}  // namespace

LocalCluster::LocalCluster(Options options)
    : models_(MakeCatalog()),
      libraries_(MakeLibraries(options.library)),
      around_(MakeSurroundings(&runtime_,
                               &worker_channels_,
                               models_.models().front().second.get(),
                               coordinator_.address(),
                               options.script)),
      fetcher_({.hosts = options.fetches_pictures ? std::set<std::string>{"127.0.0.1"}
                                                  : std::set<std::string>{},
                .private_addresses = true,
                .max_image_bytes = config_.limits.max_image_bytes,
                .only_https = false}),
      pool_(router::MakePolicy(options.policy).value(),
            [this](std::shared_ptr<router::WorkerHandle> handle) {
              {
                std::lock_guard lock(mutex_);
                handles_.push_back(handle);
              }
              router::WatchCache(&runtime_, &channels_, std::move(handle));
            }),
      context_{.channels = &channels_,
               .workers = &pool_,
               .metrics = &metrics_,
               .worker_wait = options.worker_wait,
               .max_unsent_bytes = options.max_unsent_bytes},
      service_(&runtime_, &config_, &models_, &libraries_, &images_, &fetcher_, &context_),
      server_({.listen = Endpoint{},
               .max_message_bytes = kMaxGrpcMessageBytes,
               .max_streams_per_connection = kMaxStreamsPerConnection}),
      http_(&runtime_, {}, &metrics_),
      watcher_(&runtime_,
               &channels_,
               coordinator_.address(),
               "router",
               [this](std::shared_ptr<const ClusterView> view) { OnView(std::move(view)); }) {
  server_.AddService(&service_);
  TRIPTYCH_CHECK(server_.Start().ok());
  router::AddInferenceRoutes(
      http_,
      {.service = &service_, .models = &models_, .config = &config_, .metrics = &metrics_},
      &images_);
  TRIPTYCH_CHECK(http_.Start().ok());
  server_.SetServing(true);
  client_ = Connect(server_.port());
  watcher_.Start();
}

// Whoever calls goes before whoever is called; what still runs on the runtime holds a worker's handle.
LocalCluster::~LocalCluster() {
  http_.Stop();
  server_.Stop(std::chrono::milliseconds(0));
  watcher_.Stop();
  for (const auto& encoder : encoders_) encoder->Stop();
  pool_.Update(std::make_shared<const ClusterView>());
  AwaitTrue("handles go", [this] { return std::ranges::all_of(handles_, [](const auto& handle) { return handle.expired(); }); });
  for (const auto& decoder : decoders_) decoder->Stop();
  coordinator_.Stop();
  runtime_.Stop();
}

// Within one incarnation of the coordinator, versions only grow.
void LocalCluster::OnView(std::shared_ptr<const ClusterView> view) {
  pool_.Update(view);
  std::lock_guard lock(mutex_);
  EXPECT_TRUE(view->coordinator != view_->coordinator || view->version >= view_->version);
  view_ = std::move(view);
  changed_.notify_all();
}

void LocalCluster::AwaitView(const char* what, const std::function<bool(const ClusterView&)>& condition) {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return condition(*view_); })) << what;
}

void LocalCluster::AwaitReady(const WorkerShell& worker) {
  AwaitView("a worker becomes ready", [&](const ClusterView& view) { return IsReady(view, worker); });
}

LocalDecoder& LocalCluster::AddDecoder(const std::string& id) {
  decoders_.push_back(std::make_unique<LocalDecoder>(around_, id, next_incarnation_++));
  AwaitReady(decoders_.back()->shell());
  return *decoders_.back();
}

LocalEncoder& LocalCluster::AddEncoder(const std::string& id) {
  encoders_.push_back(std::make_unique<LocalEncoder>(around_, id, next_incarnation_++));
  const WorkerShell& worker = encoders_.back()->shell();
  AwaitReady(worker);
  std::set<uint64_t> others;
  for (uint64_t incarnation = 1; incarnation < worker.incarnation(); ++incarnation) others.insert(incarnation);
  const router::WorkLease lease = pool_.PickEncoder(around_.identity.card_digest(), "nobody's", 0, others);
  std::lock_guard lock(mutex_);
  handles_.push_back(lease.worker());
  return *encoders_.back();
}

std::shared_ptr<router::WorkerHandle> LocalCluster::HandleOf(const WorkerShell& worker) const {
  std::lock_guard lock(mutex_);
  for (const auto& weak : handles_) {
    const auto handle = weak.lock();
    if (handle && handle->incarnation() == worker.incarnation()) return handle;
  }
  return nullptr;
}

v1::GenerateRequest LocalCluster::MakeRequest(const std::string& text, uint32_t max_new_tokens, const std::vector<uint32_t>& pictures) {
  v1::GenerateRequest request;
  v1::RawPrompt& prompt = *request.mutable_prompt()->mutable_raw();
  prompt.add_parts()->set_text(text);
  for (const uint32_t picture : pictures) {
    v1::Image& image = *prompt.add_parts()->mutable_image();
    image.set_data(fakes::TinyBmp(picture));
    image.set_max_tiles(kMaxTiles);
    prompt.add_parts()->set_text("?");
  }
  request.mutable_stopping()->set_max_new_tokens(max_new_tokens);
  request.mutable_stopping()->set_ignore_eos(true);
  return request;
}

EmbeddingKey LocalCluster::KeyOf(const v1::Image& image) const {
  const Sha256Digest digest = Sha256({reinterpret_cast<const uint8_t*>(image.data().data()), image.data().size()});
  return MakeEmbeddingKey("", around_.card->digest(), digest, static_cast<int32_t>(image.max_tiles()));
}

std::vector<TokenId> LocalCluster::AnswerTo(const v1::GenerateRequest& request) const {
  const fakes::FakeShardGroup model(1, around_.card->vocab_size());
  std::vector<uint64_t> seen = {static_cast<uint64_t>(around_.card->tokenizer().bos())};
  for (const v1::Part& part : request.prompt().raw().parts()) {
    for (int32_t row = 0; part.has_image() && row < fakes::FakeModelCard::kImageRows; ++row) {
      seen.push_back(fakes::FakeShardGroup::PictureValue(KeyOf(part.image()), row));
    }
    for (const TokenId id : around_.card->tokenizer().Encode(part.text(), true)) seen.push_back(static_cast<uint64_t>(id));
  }
  std::vector<TokenId> answer;
  while (answer.size() < request.stopping().max_new_tokens()) {
    answer.push_back(model.NextToken(seen));
    seen.push_back(static_cast<uint64_t>(answer.back()));
  }
  return answer;
}

std::unique_ptr<GenerateCall> LocalCluster::Start(const v1::GenerateRequest& request, std::chrono::milliseconds limit) {
  return std::make_unique<GenerateCall>(client_, request, limit, GenerateCall::Reading::kAtOnce);
}

std::unique_ptr<ComposeCall> LocalCluster::StartArticle(const v1::ComposeRequest& request,
                                                        std::chrono::milliseconds limit) {
  return std::make_unique<ComposeCall>(client_, request, limit);
}

// With a small window, so that little is under way unread.
std::unique_ptr<GenerateCall> LocalCluster::StartSlowReader(const v1::GenerateRequest& request) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 1024);
  return std::make_unique<GenerateCall>(Connect(server_.port(), arguments), request, kPatience, GenerateCall::Reading::kAtEnd);
}

double LocalCluster::Metric(const std::string& line) const {
  std::istringstream text(registry_.Serialize());
  for (std::string at; std::getline(text, at);) {
    if (at.starts_with(line + " ")) return std::stod(at.substr(line.size() + 1));
  }
  return 0;
}

void LocalCluster::ExpectNothingLeft() {
  for (const auto& encoder : encoders_) encoder->Release();
  for (const auto& decoder : decoders_) decoder->Release();
  const auto requests = [this](const char* outcome) { return Metric(fmt::format("triptych_router_requests_total{{outcome=\"{}\"}}", outcome)); };
  AwaitTrue("the router comes to rest", [this] { return Metric("triptych_router_live_requests") == 0 && service_.open_requests() == 0 && http_.open_requests() == 0; });
  EXPECT_EQ(requests("accepted"), requests("completed") + requests("failed") + requests("cancelled"));
  const auto articles = [this](const char* outcome) {
    return Metric(fmt::format("triptych_router_articles_total{{outcome=\"{}\"}}", outcome));
  };
  EXPECT_EQ(articles("accepted"),
            articles("completed") + articles("failed") + articles("cancelled"));
  for (const auto& decoder : decoders_) AwaitTrue("an engine comes to rest", [&] { return decoder->at_rest(); });
  std::lock_guard lock(mutex_);
  for (const auto& weak : handles_) {
    AwaitTrue("leases end", [&] {
      const auto handle = weak.lock();
      return !handle || (handle->sequences == 0 && handle->queued_tokens == 0 && handle->tiles == 0);
    });
  }
}

}  // namespace triptych::cluster_test
