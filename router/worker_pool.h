#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/async/change_signal.h"
#include "common/cluster/view_watcher.h"
#include "router/policies/routing_policy.h"
#include "router/worker_handle.h"

namespace triptych::router {

// The workers of the latest cluster view, and who of them gets what. Only READY ones get new work. Thread-safe.
class WorkerPool {
 public:
  // Told of decoders that lead a group, once for each incarnation, so that their caches can be watched.
  using OnDecoder = std::function<void(std::shared_ptr<WorkerHandle>)>;

  WorkerPool(std::unique_ptr<RoutingPolicy> policy, OnDecoder on_decoder)
      : policy_(std::move(policy)), on_decoder_(std::move(on_decoder)) {}

  // Fences what is gone or has a new incarnation, and wakes whoever waits.
  void Update(std::shared_ptr<const ClusterView> view);
  ChangeSignal& changes() { return changes_; }

  struct DecoderWish {
    std::string model;
    std::string card_digest;
    std::string numerics;        // not empty: of exactly this numeric identity, weights included
    std::string weights_digest;
    std::vector<uint64_t> blocks;  // prefix-hash chain of the prompt
    int32_t prompt_tokens = 0;
    int32_t sequences = 1;
    std::set<uint64_t> excluded;   // incarnations
  };
  WorkLease PickDecoder(const DecoderWish& wish);
  // Where the picture is, or is being encoded already. Else by rendezvous hash with bounded load: the same picture finds the same encoder,
  // unless that one has more than its share of tiles.
  // Thaler and Ravishankar 1998; Mirrokni et al., arXiv 1608.01350.
  WorkLease PickEncoder(const std::string& card_digest, const std::string& key, int32_t tiles, const std::set<uint64_t>& excluded);

  // READY encoders and decoders of a model.
  std::pair<int, int> CountReady(const std::string& model) const;
  bool heard() const;  // a view has come

 private:
  struct Entry {
    std::shared_ptr<WorkerHandle> handle;
    internal::v1::Worker worker;
    bool announced = false;
  };
  static bool IsReady(const Entry& entry, internal::v1::WorkerRole role);

  const std::unique_ptr<RoutingPolicy> policy_;
  const OnDecoder on_decoder_;
  ChangeSignal changes_;
  std::atomic<uint64_t> ordinal_{0};
  mutable std::mutex mutex_;
  bool heard_ = false;                    // guarded by mutex_
  std::map<std::string, Entry> workers_;  // guarded by mutex_
};

}  // namespace triptych::router
