#pragma once

#include <memory>

#include "common/async/io_runtime.h"
#include "common/clock.h"
#include "common/rpc/server.h"
#include "triptych/internal/v1/cluster.pb.h"
#include "worker/process/encoder_service.h"
#include "worker/process/metrics.h"
#include "worker/process/model_parts.h"
#include "worker/process/rate_meter.h"
#include "worker/vision/registry.h"

namespace triptych::worker {

// All that makes a process an encoder. Main thread. Legal order: Load (reads the tower's weights), AddTo the server, Drain, Stop (idempotent).
class EncoderRole {
 public:
  static StatusOr<std::unique_ptr<EncoderRole>> Load(const WorkerConfig& config,
                                                     const ModelParts& model,
                                                     uint64_t incarnation,
                                                     IoRuntime* runtime,
                                                     const Clock* clock);
  ~EncoderRole();

  void AddTo(RpcServer& server) { server.AddService(&service_); }
  void Drain() { service_.Drain(); }
  bool idle(TimePoint now) const { return !batcher_.has_work() && service_.open_fetches() == 0 && pins_.quiet(now); }
  void Stop();

  void Show(Metrics& metrics) const;
  void Report(internal::v1::Heartbeat& heartbeat) const;  // any thread
  void Tick(TimePoint now) { pins_.Expire(now); }

 private:
  EncoderRole(const WorkerConfig& config,
              const ModelParts& model,
              std::unique_ptr<vision::VisionEncoder> encoder,
              uint64_t incarnation,
              IoRuntime* runtime,
              const Clock* clock);
  vision::EncodeBatcher::Options BatcherOptions(const WorkerConfig& config);

  const Clock* const clock_;
  mutable RateMeter tile_rate_{std::chrono::seconds(30)};
  ChangeSignal arrivals_;
  EncodeFailures failures_;
  PinBoard pins_{kEmbeddingPin};
  vision::EmbeddingStore store_;
  const std::unique_ptr<vision::VisionEncoder> encoder_;
  vision::EncodeBatcher batcher_;
  EncoderService service_;
};

}  // namespace triptych::worker
