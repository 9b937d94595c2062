#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

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
  struct Reply {
    int status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
  };
  // What a folder's answer hangs on.
  struct Request {
    std::string_view rest;           // of the path, behind the folder's own
    std::string_view authorization;  // the header, or empty
  };
  HttpExposer(Endpoint listen, const MetricRegistry* registry, Probes probes);
  ~HttpExposer();
  // A further read-only path, before Start. `answer` is called on the exposer's thread; must not block.
  void AddRoute(std::string path, std::function<Reply()> answer);
  // Likewise all paths that begin with `path`, which ends with a slash, and are no route
  // themselves.
  void AddFolder(std::string path, std::function<Reply(const Request&)> answer);
  Status Start();  // kFailedPrecondition names the address when the port is in use
  int port() const;
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace triptych
