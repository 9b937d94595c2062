#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/async/io_runtime.h"
#include "common/config/endpoint.h"
#include "common/status.h"
#include "common/tls/tls_source.h"
#include "router/http/http_routes.h"
#include "router/metrics.h"
#include "router/tenant.h"

namespace triptych::router {

// HTTP/1.1 on a port of its own, over TLS where there is a certificate: each connection is a coroutine on its own strand of
// the runtime. AddRoute, Start, Drain, Stop (idempotent, also by the destructor).
class HttpServer {
 public:
  struct Options {
    Endpoint listen;                // port 0 takes a free one
    int32_t max_connections = 1024;  // more are answered with 503 and closed; over TLS only closed
    std::shared_ptr<TlsSource> tls = nullptr;  // null: without TLS
    TenantResolver tenants = TenantOf;         // of all routes that are not open
  };
  HttpServer(IoRuntime* runtime, Options options, Metrics* metrics);  // both outlive it
  ~HttpServer();

  void AddRoute(HttpRoute route);  // before Start
  // Likewise one that is read (GET, HEAD), and whose answer is ready at once. `answer` is called on
  // any thread; must not block.
  using Answer = std::function<StatusOr<HttpReply>(const HttpRequest&)>;
  void AddReadable(std::string path, std::string endpoint, Answer answer, bool open = false);
  const std::vector<HttpRoute>& routes() const;
  Status Start();                  // kFailedPrecondition names the address when the port is in use
  int port() const;                // the bound one, after Start
  // Ends idle connections, and others with the answer that they are about. New ones are still
  // served: whether a request is refused is for its handler to say.
  void Drain();
  int64_t open_requests() const;  // heard and not yet answered to the end
  void Stop();                    // closes all connections, and waits until their handlers are over

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace triptych::router
