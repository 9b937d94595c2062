#include "common/metrics/registry.h"

#include <prometheus/text_serializer.h>

#include "common/limits.h"

namespace triptych {

MetricRegistry::MetricRegistry() : registry_(std::make_shared<prometheus::Registry>()) {}

// The labels themselves while the metric has room for one more set; "other" for every value after that.
MetricLabels MetricRegistry::Bounded(std::string_view name, const MetricLabels& labels) {
  if (labels.empty()) return labels;
  std::lock_guard lock(mutex_);
  std::set<MetricLabels>& known = label_sets_[std::string(name)];
  if (known.contains(labels)) return labels;
  if (known.size() < static_cast<size_t>(kMaxMetricLabelValues)) {
    known.insert(labels);
    return labels;
  }
  MetricLabels other;
  for (const auto& [key, value] : labels) other[key] = "other";
  return other;
}

prometheus::Counter& MetricRegistry::Counter(std::string_view name, std::string_view help, const MetricLabels& labels) {
  auto& family = prometheus::BuildCounter().Name(std::string(name)).Help(std::string(help)).Register(*registry_);
  return family.Add(Bounded(name, labels));
}

prometheus::Gauge& MetricRegistry::Gauge(std::string_view name, std::string_view help, const MetricLabels& labels) {
  auto& family = prometheus::BuildGauge().Name(std::string(name)).Help(std::string(help)).Register(*registry_);
  return family.Add(Bounded(name, labels));
}

prometheus::Histogram& MetricRegistry::Histogram(std::string_view name,
                                                 std::string_view help,
                                                 const std::vector<double>& buckets,
                                                 const MetricLabels& labels) {
  auto& family = prometheus::BuildHistogram().Name(std::string(name)).Help(std::string(help)).Register(*registry_);
  return family.Add(Bounded(name, labels), buckets);
}

void MetricRegistry::BeforeRead(std::function<void()> refresh) {
  std::lock_guard lock(mutex_);
  refresh_.push_back(std::move(refresh));
}

std::string MetricRegistry::Serialize() const {
  std::unique_lock lock(mutex_);
  const std::vector<std::function<void()>> refresh = refresh_;
  lock.unlock();  // it may read files, and requests take the lock
  for (const auto& one : refresh) one();
  return prometheus::TextSerializer().Serialize(registry_->Collect());
}

const std::vector<double>& MetricRegistry::LatencyBuckets() {
  static const std::vector<double> kBuckets = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                               1,     2.5,    5,     10,   20,    30,   60,  120};
  return kBuckets;
}

const std::vector<double>& MetricRegistry::TokenGapBuckets() {
  static const std::vector<double> kBuckets = {0.0005, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03,
                                               0.04,   0.05,  0.075,  0.1,   0.2,    0.5,  1,     5};
  return kBuckets;
}

}  // namespace triptych
