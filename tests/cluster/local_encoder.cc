#include "tests/cluster/local_encoder.h"

#include <utility>

#include "tests/cluster/await.h"

namespace triptych::cluster_test {

LocalEncoder::LocalEncoder(const Surroundings& around, std::string id, uint64_t incarnation)
    : store_(1 << 20, fakes::FakeVisionEncoder::kHidden, {.on_rows = [this](const EmbeddingKey&, int32_t) { arrivals_.Notify(); }}),
      tower_([this](const at::Tensor&) { PassGate(); }),
      batcher_({.on_failed =
                    [this](const EmbeddingKey& key, const Status& why) {
                      failures_.Add(key, why);
                      arrivals_.Notify();
                    }},
               &tower_, &store_, &clock_),
      service_(around.runtime,
               {.incarnation = incarnation,
                .card_digest = around.identity.card_digest(),
                .batcher = &batcher_,
                .store = &store_,
                .pins = &pins_,
                .failures = &failures_,
                .arrivals = &arrivals_}),
      shell_(around, std::move(id), incarnation, internal::v1::WORKER_ROLE_ENCODER) {
  batcher_.Start();
  shell_.Start(&service_, [this](internal::v1::Heartbeat& heartbeat) {
    heartbeat.set_steps(batcher_.progress());
    heartbeat.set_has_work(batcher_.has_work());
  });
}

LocalEncoder::~LocalEncoder() { Stop(); }

void LocalEncoder::PassGate() {
  std::unique_lock lock(mutex_);
  ++waiting_;
  changed_.wait(lock, [this] { return !held_; });
  --waiting_;
}

void LocalEncoder::Hold() {
  std::lock_guard lock(mutex_);
  held_ = true;
}

void LocalEncoder::Release() {
  std::lock_guard lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

bool LocalEncoder::busy() const {
  std::lock_guard lock(mutex_);
  return held_ && waiting_ > 0;
}

vision::EncodeBatcher::Counters LocalEncoder::CountersAtRest() const {
  AwaitTrue("an encoder comes to rest", [this] {
    const vision::EncodeBatcher::Counters now = counters();
    return now.submitted == now.hits + now.joined + now.refused + now.encoded + now.failed;
  });
  return counters();
}

void LocalEncoder::Stop() {
  Release();
  shell_.Stop();
  batcher_.Stop();
}

}  // namespace triptych::cluster_test
