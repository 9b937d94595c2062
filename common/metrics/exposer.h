#pragma once

#include <functional>
#include <memory>

#include "common/config/endpoint.h"
#include "common/metrics/registry.h"
#include "common/status.h"

namespace triptych {

// /metrics, /healthz (alive) and /readyz (takes work) over HTTP, on a thread of its own that shares no lock with requests beyond
// the registry's: a busy process still answers. 200 or 503 with one line of reason. Start, Stop (idempotent).
class HttpExposer {
 public:
  // Each gives OkStatus, or why not. Called on the exposer's thread; must not block.
  struct Probes {
    std::function<Status()> alive;
    std::function<Status()> ready;
  };
  HttpExposer(Endpoint listen, const MetricRegistry* registry, Probes probes);
  ~HttpExposer();
  Status Start();  // kFailedPrecondition names the address when the port is in use
  int port() const;
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace triptych
