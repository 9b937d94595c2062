#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/async/io_runtime.h"
#include "common/rpc/channel_pool.h"
#include "triptych/internal/v1/cluster.pb.h"

namespace triptych {

// The cluster as one update left it; immutable.
struct ClusterView {
  uint64_t coordinator = 0;  // its incarnation; 0: none was ever heard
  uint64_t version = 0;
  std::map<std::string, internal::v1::Worker> workers;  // by id
};

// Keeps the latest cluster view. A coordinator that is away leaves the view as it is; one that comes back under a new incarnation knows
// nobody at first, so workers that it does not name yet are kept for `kGrace`. `on_change` runs on the watcher's strand and must not
// block. Start, Stop (idempotent; its stream is over then, and no callback comes after it; before the runtime's Stop).
class ViewWatcher {
 public:
  static constexpr std::chrono::seconds kGrace{6};
  using OnChange = std::function<void(std::shared_ptr<const ClusterView>)>;

  ViewWatcher(IoRuntime* runtime, ChannelPool* channels, std::string coordinator, std::string name, OnChange on_change);
  ~ViewWatcher();
  void Start();
  void Stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
  bool started_ = false;
  std::atomic<bool> stopped_{false};
};

}  // namespace triptych
