#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/cluster/view_watcher.h"
#include "common/metrics/registry.h"
#include "router/http/http_server.h"
#include "router/inference_service.h"
#include "tests/cluster/await.h"
#include "tests/cluster/compose_call.h"
#include "tests/cluster/generate_call.h"
#include "tests/cluster/local_coordinator.h"
#include "tests/cluster/local_decoder.h"
#include "tests/cluster/local_encoder.h"
#include "tests/fakes/list_library.h"

namespace triptych::cluster_test {

// A whole cluster in this process: a real router, coordinator and workers that speak gRPC over free ports, with a fake model. Workers are added
// one by one; adding returns when the router knows them as READY.
class LocalCluster {
 public:
  struct Options {
    std::string policy = "round_robin";  // among equals in the order of their ids
    std::chrono::milliseconds worker_wait{60'000};
    int64_t max_unsent_bytes = kMaxUnsentBytesPerStream;
    fakes::FakeShardGroup::Script script;   // what decoders answer; empty: what the fake model says
    fakes::ListLibrary* library = nullptr;  // of articles; outlives the cluster
    bool fetches_pictures = false;          // by http, from 127.0.0.1
  };
  explicit LocalCluster(Options options);
  LocalCluster() : LocalCluster(Options()) {}
  ~LocalCluster();

  LocalCoordinator& coordinator() { return coordinator_; }
  // A name that is taken means a new incarnation of that worker.
  LocalDecoder& AddDecoder(const std::string& id);
  LocalEncoder& AddEncoder(const std::string& id);
  // What the router believes of a worker; kept as long as the router keeps it.
  std::shared_ptr<router::WorkerHandle> HandleOf(const WorkerShell& worker) const;
  void AwaitView(const char* what, const std::function<bool(const ClusterView&)>& condition);

  // Greedy, never ended by a stop token. Pictures, which are numbered, come behind the text.
  static v1::GenerateRequest MakeRequest(const std::string& text, uint32_t max_new_tokens, const std::vector<uint32_t>& pictures = {});
  // What the model says to it, by the fakes' rules alone.
  std::vector<TokenId> AnswerTo(const v1::GenerateRequest& request) const;
  EmbeddingKey KeyOf(const v1::Image& image) const;

  std::unique_ptr<GenerateCall> Start(const v1::GenerateRequest& request, std::chrono::milliseconds limit = kPatience);
  std::unique_ptr<GenerateCall> StartSlowReader(const v1::GenerateRequest& request);
  std::unique_ptr<ComposeCall> StartArticle(const v1::ComposeRequest& request,
                                            std::chrono::milliseconds limit = kPatience);
  int http_port() const { return http_.port(); }
  void Drain() { service_.Drain(); }  // the router's; for good
  Heard Generate(const v1::GenerateRequest& request) { return Start(request)->Finish(); }

  double Metric(const std::string& line) const;  // the router's, by name and labels as /metrics writes them
  // Releases whatever is held and waits for the end of all work. Then every request must be accounted for, by router and engines, and nothing
  // be left: no lease, no block.
  void ExpectNothingLeft();

 private:
  void OnView(std::shared_ptr<const ClusterView> view);
  void AwaitReady(const WorkerShell& worker);

  IoRuntime runtime_{2};
  ChannelPool channels_;                // the router's
  ChannelPool worker_channels_;
  LocalCoordinator coordinator_{&runtime_};
  router::RouterConfig config_;
  const router::ModelCatalog models_;
  const router::LibraryCatalog libraries_;
  const Surroundings around_;
  router::ImageStore images_{1 << 20};
  router::PictureFetcher fetcher_;
  MetricRegistry registry_;
  router::Metrics metrics_{&registry_};
  router::WorkerPool pool_;
  router::SessionContext context_;
  router::InferenceService service_;
  RpcServer server_;
  router::HttpServer http_;
  std::shared_ptr<grpc::Channel> client_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<const ClusterView> view_ = std::make_shared<const ClusterView>();             // guarded by mutex_, as below
  std::vector<std::weak_ptr<router::WorkerHandle>> handles_;
  ViewWatcher watcher_;
  std::vector<std::unique_ptr<LocalDecoder>> decoders_;
  std::vector<std::unique_ptr<LocalEncoder>> encoders_;
  uint64_t next_incarnation_ = 1;
};

}  // namespace triptych::cluster_test
