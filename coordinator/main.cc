#include <random>

#include "common/async/io_runtime.h"
#include "common/log/log.h"
#include "common/metrics/exposer.h"
#include "common/metrics/registry.h"
#include "common/rpc/server.h"
#include "common/rpc/tls_credentials.h"
#include "common/service/service_program.h"
#include "common/tls/certificate_metric.h"
#include "coordinator/config.h"
#include "coordinator/membership_service.h"
#include "coordinator/metrics.h"
#include "coordinator/scale_signals.h"

namespace triptych::coordinator {
namespace {

uint64_t DrawIncarnation() {
  std::random_device random;
  return (static_cast<uint64_t>(random()) << 32 | random()) | 1;  // never 0
}

Status Run(const CoordinatorConfig& config, SignalWaiter& signals, const std::function<Status(BoundAddresses)>& announce) {
  TRIPTYCH_ASSIGN_OR_RETURN(const InternalTls tls, InternalTls::Open(config.tls, {kRouterName, kWorkerName, kAdminName}));
  SteadyClock clock;
  MetricRegistry registry;
  Metrics metrics(&registry);
  ExportExpiry(&registry, "internal", tls.source);
  ChangeSignal changes;
  RendezvousStore values;
  Membership membership({config.lease_ttl, config.step_stall}, &clock, DrawIncarnation(), [&changes] { changes.Notify(); });
  ScaleSignals scale(clock.Now(), /*settle=*/2 * config.lease_ttl);
  IoRuntime runtime(2);
  MembershipService service(&runtime, &membership, &values, &changes);
  RpcServer server({.listen = config.listen,
                    .max_message_bytes = kMaxGrpcMessageBytes,
                    .max_streams_per_connection = kMaxStreamsPerConnection,
                    .credentials = tls.server});
  server.AddService(&service);
  HttpExposer exposer(config.metrics_listen, &registry,
                      {.alive = [] { return OkStatus(); }, .ready = [] { return OkStatus(); }});
  TRIPTYCH_RETURN_IF_ERROR(server.Start());
  TRIPTYCH_RETURN_IF_ERROR(exposer.Start());
  server.SetServing(true);
  TRIPTYCH_RETURN_IF_ERROR(announce({.grpc = Endpoint{config.listen.host, server.port()}.ToString(),
                                     .metrics = Endpoint{config.metrics_listen.host, exposer.port()}.ToString()}));
  const Duration tick = config.lease_ttl / 8;
  while (!signals.WaitUntil(clock.Now() + tick)) {
    membership.Tick();
    values.Collect([&](const std::string& group_id) { return membership.HasGroup(group_id); });
    scale.Observe(membership.UpdateSince(0), clock.Now());
    metrics.Update(membership);
    metrics.Update(scale);
  }
  spdlog::info("stopping");
  server.SetServing(false);
  server.Stop(std::chrono::milliseconds(200));
  exposer.Stop();
  runtime.Stop();
  return OkStatus();
}

}  // namespace
}  // namespace triptych::coordinator

int main(int argc, char** argv) {
  using namespace triptych::coordinator;
  CoordinatorConfig config;
  return triptych::RunServiceProgram(
      argc, argv,
      {.name = "triptych-coordinator",
       .about = "Knows the cluster's workers: leases, states, shard groups, the view that routers watch.",
       .read_config = [&](const std::string& path) { return ReadCoordinatorConfig(path, config); },
       .finish_config = [&] { return FinishCoordinatorConfig(config); },
       .print_config = [&] { return PrintCoordinatorConfig(config); },
       .log_format = [&] { return config.log_format; },
       .run = [&](auto& signals, const auto& announce) { return Run(config, signals, announce); }});
}
