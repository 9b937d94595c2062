#pragma once

#include "common/metrics/registry.h"
#include "coordinator/membership.h"
#include "coordinator/scale_signals.h"

namespace triptych::coordinator {

// The coordinator's metrics, all taken from its membership and what that says of scaling; docs/metrics.md says what each means.
class Metrics {
 public:
  explicit Metrics(MetricRegistry* registry)
      : registry_(*registry),
        view_version_(registry->Gauge("triptych_coordinator_view_version", "Version of the cluster view")),
        leases_expired_(registry->Gauge("triptych_coordinator_leases_expired", "Workers whose lease ran out since the start")) {}

  void Update(const Membership& membership) {
    using namespace internal::v1;  // NOLINT: names of roles and states
    view_version_.Set(static_cast<double>(membership.version()));
    leases_expired_.Set(static_cast<double>(membership.leases_expired()));
    const auto counts = membership.CountByState();
    const std::pair<WorkerRole, const char*> roles[] = {{WORKER_ROLE_ENCODER, "encoder"}, {WORKER_ROLE_DECODER, "decoder"}};
    const std::pair<WorkerState, const char*> states[] = {{WORKER_STATE_STARTING, "starting"}, {WORKER_STATE_LOADING, "loading"},
                                                          {WORKER_STATE_READY, "ready"},       {WORKER_STATE_SUSPECT, "suspect"},
                                                          {WORKER_STATE_DRAINING, "draining"}};
    for (const auto& [role, role_name] : roles) {
      for (const auto& [state, state_name] : states) {
        const auto found = counts.find({role, state});
        registry_.Gauge("triptych_coordinator_workers", "Workers by role and state", {{"role", role_name}, {"state", state_name}})
            .Set(found == counts.end() ? 0 : found->second);
      }
    }
  }

  void Update(const ScaleSignals& scale) {
    for (const auto& [pool, signal] : scale.signals()) {
      const MetricLabels labels{{"pool", pool.role == internal::v1::WORKER_ROLE_ENCODER ? "encoder" : "decoder"}, {"model", pool.model}};
      registry_.Gauge("triptych_pool_desired_replicas", "Workers that the pool's work is worth", labels).Set(signal.desired_replicas);
      registry_.Gauge("triptych_pool_desired_ratio", "The pool's work over its ready workers; 1: full", labels).Set(signal.desired_ratio);
    }
  }

 private:
  MetricRegistry& registry_;
  prometheus::Gauge& view_version_;
  prometheus::Gauge& leases_expired_;
};

}  // namespace triptych::coordinator
