#include "worker/process/encoder_role.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "worker/process/watched_loading.h"

namespace triptych::worker {

StatusOr<std::unique_ptr<EncoderRole>> EncoderRole::Load(
    const WorkerConfig& config, const ModelParts& model, uint64_t incarnation, IoRuntime* runtime, const Clock* clock) {
  TRIPTYCH_ASSIGN_OR_RETURN(std::unique_ptr<vision::VisionEncoder> encoder,
                            LoadWatched<std::unique_ptr<vision::VisionEncoder>>(
                                "vision encoder", *model.loader, *clock, [&model](const weights::WeightLoader& loader) {
                                  return vision::LoadVisionEncoder(
                                      model.dir, loader, at::Device(model.device, model.device == at::kCPU ? -1 : 0), model.dtype);
                                }));
  std::unique_ptr<EncoderRole> role(new EncoderRole(config, model, std::move(encoder), incarnation, runtime, clock));
  role->batcher_.Start();
  return role;
}

EncoderRole::EncoderRole(const WorkerConfig& config,
                         const ModelParts& model,
                         std::unique_ptr<vision::VisionEncoder> encoder,
                         uint64_t incarnation,
                         IoRuntime* runtime,
                         const Clock* clock)
    : clock_(clock),
      store_(config.embedding_cache_bytes,
             encoder->hidden_size(),
             {.on_rows = [this](const EmbeddingKey&, int32_t) { arrivals_.Notify(); }}),
      encoder_(std::move(encoder)),
      batcher_(BatcherOptions(config), encoder_.get(), &store_, clock),
      service_(runtime,
               {.incarnation = incarnation,
                .card_digest = model.identity.card_digest(),
                .batcher = &batcher_,
                .store = &store_,
                .pins = &pins_,
                .failures = &failures_,
                .arrivals = &arrivals_}) {}

EncoderRole::~EncoderRole() { Stop(); }

vision::EncodeBatcher::Options EncoderRole::BatcherOptions(const WorkerConfig& config) {
  const auto cores = static_cast<int32_t>(std::max(1u, std::thread::hardware_concurrency()));
  return {.max_batch_tiles = config.max_batch_tiles,
          .max_waiting_images = config.max_waiting_images,
          .prepare_threads = config.prepare_threads,
          .device_threads = config.threads_per_rank > 0 ? config.threads_per_rank : cores,
          .on_failed = [this](const EmbeddingKey& key, const Status& why) {
            failures_.Add(key, why);
            arrivals_.Notify();
          }};
}

void EncoderRole::Stop() { batcher_.Stop(); }

void EncoderRole::Show(Metrics& metrics) const {
  metrics.ShowEncoder(batcher_);
  metrics.ShowStore("encoder", store_);
}

void EncoderRole::Report(internal::v1::Heartbeat& heartbeat) const {
  heartbeat.set_steps(heartbeat.steps() + batcher_.progress());
  heartbeat.set_has_work(heartbeat.has_work() || batcher_.has_work());
  internal::v1::Load& load = *heartbeat.mutable_load();
  load.set_waiting_tiles(static_cast<uint32_t>(batcher_.waiting_tiles()));
  load.set_running_tiles(static_cast<uint32_t>(batcher_.in_flight()));
  // Learned while tiles wait: then the tower is never idle.
  const bool is_full = load.waiting_tiles() > 0;
  load.set_tiles_per_second(tile_rate_.Read(batcher_.counters().tiles, clock_->Now(), is_full));
  load.set_embedding_bytes(load.embedding_bytes() + static_cast<uint64_t>(store_.bytes()));
}

}  // namespace triptych::worker
