#include "coordinator/scale_signals.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "coordinator/scale_formula.h"

namespace triptych::coordinator {
namespace {

using namespace internal::v1;  // NOLINT: this file is about little else

constexpr std::chrono::seconds kBusyWindow{30};
constexpr std::chrono::seconds kRateWindow{60};
// A decoder is full that has more than this share of its blocks in use, and others waiting.
constexpr double kFullShare = 0.9;

// An exponential mean over about `window`.
double Smooth(double mean, double sample, Duration passed, Duration window) {
  const double weight =
      1 - std::exp(-std::chrono::duration<double>(passed) / std::chrono::duration<double>(window));
  return mean + weight * (sample - mean);
}

bool HasRole(const Worker& worker, WorkerRole role) {
  return std::ranges::find(worker.registration().roles(), role) !=
         worker.registration().roles().end();
}

// Of a shard group's processes only the leader counts.
bool IsOf(const Worker& worker, const ScaleSignals::Pool& pool) {
  return HasRole(worker, pool.role) && worker.registration().model().name() == pool.model &&
         (pool.role != WORKER_ROLE_DECODER || worker.leads());
}

bool IsFull(const Worker& worker) {
  const Load& load = worker.load();
  const Capacity& capacity = worker.registration().capacity();
  return load.running_sequences() >= capacity.max_sequences() ||
         (load.waiting_sequences() > 0 &&
          load.used_kv_blocks() > kFullShare * capacity.kv_blocks());
}

// Pictures that are at the model's encoders, waiting or running: what they report as running.
double EncodingPictures(const ClusterUpdate& view, const std::string& model) {
  double pictures = 0;
  for (const Worker& worker : view.workers()) {
    if (worker.state() == WORKER_STATE_READY && IsOf(worker, {WORKER_ROLE_ENCODER, model})) {
      pictures += worker.load().running_tiles();
    }
  }
  return pictures;
}

}  // namespace

void ScaleSignals::Observe(const ClusterUpdate& view, TimePoint now) {
  const Duration passed = now - observed_at_;
  observed_at_ = now;
  std::set<Pool> pools;
  for (const Worker& worker : view.workers()) {
    History& history = histories_[worker.registration().incarnation()];
    history.seen = now;
    if (worker.state() != WORKER_STATE_READY) continue;
    Learn(worker, history, passed);
    for (const int role : worker.registration().roles()) {
      pools.insert({static_cast<WorkerRole>(role), worker.registration().model().name()});
    }
  }
  std::erase_if(histories_, [now](const auto& entry) { return entry.second.seen != now; });
  if (now < settled_at_) return;
  // Decoders first: what encoders are worth hangs on them.
  for (const WorkerRole role : {WORKER_ROLE_DECODER, WORKER_ROLE_ENCODER}) {
    for (const Pool& pool : pools) {
      if (pool.role == role) Publish(view, pool);
    }
  }
}

void ScaleSignals::Learn(const Worker& worker, History& history, Duration passed) const {
  const Load& load = worker.load();
  history.busy_share =
      Smooth(history.busy_share, load.running_tiles() > 0 ? 1 : 0, passed, kBusyWindow);
  if (!HasRole(worker, WORKER_ROLE_DECODER) || !IsFull(worker) || load.tokens_per_second() <= 0)
    return;
  double& rate = history.full_tokens_per_second;
  rate = rate == 0 ? load.tokens_per_second()
                   : Smooth(rate, load.tokens_per_second(), passed, kRateWindow);
}

// The share of waiting requests that decoders have room for.
double ScaleSignals::AdmittedShare(const std::string& model) const {
  const auto decoders = signals_.find({WORKER_ROLE_DECODER, model});
  return decoders == signals_.end() ? 1 : 1 / std::max(1.0, decoders->second.desired_ratio);
}

void ScaleSignals::Publish(const ClusterUpdate& view, const Pool& pool) {
  std::vector<EncoderWork> encoders;
  std::vector<DecoderWork> decoders;
  bool stale = false;
  for (const Worker& worker : view.workers()) {
    if (!IsOf(worker, pool)) continue;
    stale |= worker.state() == WORKER_STATE_SUSPECT;
    if (worker.state() != WORKER_STATE_READY) continue;
    const Load& load = worker.load();
    const Capacity& capacity = worker.registration().capacity();
    const History& history = histories_.at(worker.registration().incarnation());
    if (pool.role == WORKER_ROLE_ENCODER) {
      encoders.push_back({.busy_share = history.busy_share,
                          .tiles_per_second = load.tiles_per_second(),
                          .waiting_tiles = static_cast<double>(load.waiting_tiles())});
    } else {
      decoders.push_back(
          {.sequences = static_cast<double>(load.running_sequences()) + load.waiting_sequences(),
           .waiting = static_cast<double>(load.waiting_sequences()),
           .max_sequences = static_cast<double>(capacity.max_sequences()),
           .used_blocks = static_cast<double>(load.used_kv_blocks()),
           .num_blocks = static_cast<double>(capacity.kv_blocks()),
           .tokens_per_second = load.tokens_per_second(),
           .full_tokens_per_second = history.full_tokens_per_second});
    }
  }
  const std::optional<double> worth =
      pool.role == WORKER_ROLE_ENCODER
          ? EncodersWorth(encoders, AdmittedShare(pool.model))
          : DecodersWorth(decoders, EncodingPictures(view, pool.model));
  if (!worth) return;
  Signal& signal = signals_[pool];
  signal.desired_replicas = stale ? std::max(*worth, signal.desired_replicas) : *worth;
  signal.desired_ratio =
      signal.desired_replicas / static_cast<double>(encoders.size() + decoders.size());
}

}  // namespace triptych::coordinator
