#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace triptych {

using MetricLabels = std::map<std::string, std::string>;

// Makes a process's metrics. Each binary's metrics.h has one member and one verb per metric; besides these headers only what all
// binaries export alike calls this (tls/certificate_metric.h).
// Label values beyond kMaxMetricLabelValues of one metric fall into "other". Returned references live as long as the registry;
// the metric objects are thread-safe.
class MetricRegistry {
 public:
  MetricRegistry();
  prometheus::Counter& Counter(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  prometheus::Gauge& Gauge(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  prometheus::Histogram& Histogram(std::string_view name,
                                   std::string_view help,
                                   const std::vector<double>& buckets,
                                   const MetricLabels& labels = {});
  // Called before metrics are read, for what changes by itself, on the reader's thread and without the registry's lock.
  void BeforeRead(std::function<void()> refresh);
  std::string Serialize() const;  // Prometheus text format

  // Bucket bounds that fit what is measured, seconds.
  static const std::vector<double>& LatencyBuckets();      // 1 ms .. 120 s
  static const std::vector<double>& TokenGapBuckets();     // 0.5 ms .. 5 s

 private:
  MetricLabels Bounded(std::string_view name, const MetricLabels& labels);

  std::shared_ptr<prometheus::Registry> registry_;
  mutable std::mutex mutex_;
  std::map<std::string, std::set<MetricLabels>> label_sets_;  // by metric; guarded by mutex_, as the next
  std::vector<std::function<void()>> refresh_;
};

}  // namespace triptych
