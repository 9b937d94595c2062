#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "common/metrics/registry.h"
#include "worker/engine/engine_loop.h"
#include "worker/vision/embedding_store.h"
#include "worker/vision/encode_batcher.h"

namespace triptych::worker {

// A worker's metrics: the counters that engine, batcher and stores keep, shown to Prometheus at every Update. docs/metrics.md says what
// each means. Owner's thread.
class Metrics {
 public:
  explicit Metrics(MetricRegistry* registry) : registry_(*registry) {}

  void ShowEngine(const engine::EngineStats& stats, int32_t num_blocks);
  void ShowEncoder(const vision::EncodeBatcher& batcher);
  void ShowStore(const char* role, const vision::EmbeddingStore& store);
  void Update();

 private:
  using Read = std::function<double()>;
  void Count(std::string_view name, std::string_view help, const MetricLabels& labels, Read read);
  void Gauge(std::string_view name, std::string_view help, const MetricLabels& labels, Read read);

  MetricRegistry& registry_;
  std::vector<std::pair<prometheus::Counter*, Read>> counters_;
  std::vector<std::pair<prometheus::Gauge*, Read>> gauges_;
};

}  // namespace triptych::worker
