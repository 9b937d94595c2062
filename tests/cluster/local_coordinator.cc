#include "tests/cluster/local_coordinator.h"

#include <unistd.h>

#include "common/check.h"
#include "common/limits.h"
#include "fmt/format.h"

namespace triptych::cluster_test {
namespace {

constexpr std::chrono::hours kAlways{1};

// An address of this process alone, so that nobody takes the port while the coordinator is away: other sockets of this machine, ours
// included, are bound to 127.0.0.1.
std::string OwnLoopback() {
  const int pid = getpid();
  return fmt::format("127.{}.{}.{}", 1 + (pid >> 16) % 254, (pid >> 8) % 256, pid % 254 + 1);
}

}  // namespace

LocalCoordinator::Parts::Parts(IoRuntime* runtime, const Clock* clock, const Endpoint& listen, uint64_t incarnation)
    : membership({.lease_ttl = kAlways, .step_stall = kAlways}, clock, incarnation, [this] { changes.Notify(); }),
      service(runtime, &membership, &values, &changes),
      server({.listen = listen, .max_message_bytes = kMaxGrpcMessageBytes, .max_streams_per_connection = kMaxStreamsPerConnection}) {
  server.AddService(&service);
}

LocalCoordinator::LocalCoordinator(IoRuntime* runtime) : runtime_(*runtime), listen_{OwnLoopback(), 0} { Start(); }

void LocalCoordinator::Start() {
  parts_ = std::make_unique<Parts>(&runtime_, &clock_, listen_, 1000 + ++incarnation_);
  const Status status = parts_->server.Start();
  TRIPTYCH_CHECK(status.ok());
  listen_.port = parts_->server.port();
  parts_->server.SetServing(true);
}

void LocalCoordinator::Stop() {
  if (parts_) parts_->server.Stop(std::chrono::milliseconds(0));
}

}  // namespace triptych::cluster_test
