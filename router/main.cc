#include "common/async/io_runtime.h"
#include "common/cluster/view_watcher.h"
#include "common/log/log.h"
#include "common/metrics/exposer.h"
#include "common/rpc/server.h"
#include "common/rpc/tls_credentials.h"
#include "common/service/service_program.h"
#include "common/tls/certificate_metric.h"
#include "router/api_keys.h"
#include "router/cache_watcher.h"
#include "router/compose/local_library.h"
#include "router/compose/remote_library.h"
#include "router/config.h"
#include "router/http/page_route.h"
#include "router/http/routes.h"
#include "router/inference_service.h"
#include "router/policies/routing_policy.h"
#include "router/text_vectors_service.h"

namespace triptych::router {
namespace {

constexpr std::chrono::milliseconds kTick{50};

StatusOr<LibraryCatalog> OpenLibraries(const RouterConfig& config, const TextEmbedder* embedder) {
  const EmbedText embed = [embedder](std::string model, std::string text, TimePoint deadline) {
    return TextEmbedder::EmbedOne(embedder, std::move(model), std::move(text), deadline);
  };
  LibraryCatalog catalog;
  for (const LibraryEntry& entry : config.libraries) {
    if (entry.url.empty()) {
      auto library = LocalLibrary::Open(entry.path, embed);
      if (!library.ok())
        return WithContext(fmt::format("library '{}'", entry.name), library.status());
      catalog.Add(entry.name, *std::move(library));
      continue;
    }
    auto library =
        RemoteLibrary::Make({.url = entry.url,
                             .hosts = {config.library_hosts.begin(), config.library_hosts.end()},
                             .max_image_bytes = config.limits.max_image_bytes,
                             .patience = config.library_patience});
    if (!library.ok())
      return WithContext(fmt::format("library '{}'", entry.name), library.status());
    catalog.Add(entry.name, *std::move(library));
  }
  return catalog;
}

// Without keys, whoever calls is who its credentials say.
StatusOr<TenantResolver> OpenKeys(const RouterConfig& config) {
  if (config.api_keys.empty()) return TenantResolver(TenantOf);
  auto keys = ApiKeys::Open(config.api_keys);
  if (!keys.ok()) return WithContext("api_keys", keys.status());
  return TenantResolver([keys = std::shared_ptr(*std::move(keys))](std::string_view credentials) {
    return keys->TenantOf(credentials);
  });
}

PictureFetcher::Options FetchOptions(const RouterConfig& config) {
  return {.hosts = {config.image_hosts.begin(), config.image_hosts.end()},
          .private_addresses = config.image_private_addresses,
          .max_image_bytes = config.limits.max_image_bytes,
          .patience = config.image_patience};
}

// Until no request is open any more, the end has come, or a second signal.
void AwaitLast(const std::function<int64_t()>& open_requests, TimePoint end, SignalWaiter& signals) {
  while (open_requests() > 0 && std::chrono::steady_clock::now() < end) {
    if (signals.WaitUntil(std::chrono::steady_clock::now() + kTick)) return;
  }
}

Status Run(const RouterConfig& config, SignalWaiter& signals, const std::function<Status(BoundAddresses)>& announce) {
  TRIPTYCH_ASSIGN_OR_RETURN(const ModelCatalog models, ModelCatalog::Load(config.models));
  TRIPTYCH_ASSIGN_OR_RETURN(std::unique_ptr<RoutingPolicy> policy, MakePolicy(config.policy));
  TRIPTYCH_ASSIGN_OR_RETURN(const InternalTls tls, InternalTls::Open(config.tls, {}));
  TRIPTYCH_ASSIGN_OR_RETURN(const std::shared_ptr<TlsSource> public_tls, TlsSource::Open("public_tls", config.public_tls));
  TRIPTYCH_ASSIGN_OR_RETURN(const TenantResolver tenants, OpenKeys(config));
  MetricRegistry registry;
  Metrics metrics(&registry);
  ExportExpiry(&registry, "internal", tls.source);
  ExportExpiry(&registry, "public", public_tls);
  ImageStore images(config.image_store_bytes);
  ChannelPool channels(tls.client);
  IoRuntime runtime(2);
  WorkerPool workers(std::move(policy), [&](std::shared_ptr<WorkerHandle> worker) { WatchCache(&runtime, &channels, std::move(worker)); });
  const TextEmbedder embedder(&models, &channels, &workers, config.limits.max_text_bytes);
  TRIPTYCH_ASSIGN_OR_RETURN(const LibraryCatalog libraries, OpenLibraries(config, &embedder));
  const SessionContext context{.channels = &channels, .workers = &workers, .metrics = &metrics, .worker_wait = config.worker_wait};
  PictureFetcher fetcher(FetchOptions(config));
  InferenceService service(&runtime, &config, &models, &libraries, &images, &fetcher, &context, tenants);
  TextVectorsService text_vectors(&runtime, &embedder, service.gate());
  RpcServer server({.listen = config.listen,
                    .max_message_bytes = kMaxGrpcMessageBytes,
                    .max_streams_per_connection = kMaxStreamsPerConnection,
                    .for_clients = true,
                    .credentials = public_tls ? ServerTls(public_tls, {}) : nullptr});
  server.AddService(&service);
  server.AddService(&text_vectors);
  std::atomic<bool> draining{false};
  const HttpExposer::Probes probes{.alive = [] { return OkStatus(); },
                                   .ready = [&]() -> Status {
                                     if (draining) return Unavailable("draining");
                                     return workers.heard() ? OkStatus() : Unavailable("the coordinator was not heard yet");
                                   }};
  HttpExposer exposer(config.metrics_listen, &registry, probes);
  HttpServer http(&runtime,
                  {.listen = config.http_listen,
                   .max_connections = config.http_connections,
                   .tls = public_tls,
                   .tenants = tenants},
                  &metrics);
  AddInferenceRoutes(
      http,
      {.service = &service, .models = &models, .config = &config, .metrics = &metrics},
      &images);
  AddProbeRoutes(http, probes.ready);
  AddPageRoutes(http, PageFiles());
  TRIPTYCH_RETURN_IF_ERROR(server.Start());
  TRIPTYCH_RETURN_IF_ERROR(exposer.Start());
  TRIPTYCH_RETURN_IF_ERROR(http.Start());
  ViewWatcher watcher(&runtime, &channels, config.coordinator.ToString(), "router",
                      [&](std::shared_ptr<const ClusterView> view) { workers.Update(std::move(view)); });
  watcher.Start();
  server.SetServing(true);
  TRIPTYCH_RETURN_IF_ERROR(announce({.grpc = Endpoint{config.listen.host, server.port()}.ToString(),
                                     .metrics = Endpoint{config.metrics_listen.host, exposer.port()}.ToString(),
                                     .http = Endpoint{config.http_listen.host, http.port()}.ToString()}));
  signals.Wait();
  spdlog::info("draining");
  draining = true;
  server.SetServing(false);
  service.Drain();
  http.Drain();
  AwaitLast([&] { return service.open_requests() + http.open_requests(); }, std::chrono::steady_clock::now() + config.drain_deadline, signals);
  http.Stop();
  server.Stop(std::chrono::milliseconds(200));
  watcher.Stop();
  exposer.Stop();
  runtime.Stop();
  return OkStatus();
}

}  // namespace
}  // namespace triptych::router

int main(int argc, char** argv) {
  using namespace triptych::router;
  RouterConfig config;
  return triptych::RunServiceProgram(
      argc, argv,
      {.name = "triptych-router",
       .about = "Answers clients: checks requests, chooses workers, relays their output and carries on when one is lost.",
       .read_config = [&](const std::string& path) { return ReadRouterConfig(path, config); },
       .finish_config = [&] { return FinishRouterConfig(config); },
       .print_config = [&] { return PrintRouterConfig(config); },
       .log_format = [&] { return config.log_format; },
       .run = [&](auto& signals, const auto& announce) { return Run(config, signals, announce); }});
}
