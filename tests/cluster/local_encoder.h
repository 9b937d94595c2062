#pragma once

#include <condition_variable>
#include <mutex>
#include <string>

#include "common/clock.h"
#include "common/limits.h"
#include "tests/cluster/worker_shell.h"
#include "tests/fakes/fake_vision_encoder.h"
#include "worker/process/encoder_service.h"

namespace triptych::cluster_test {

// An encoder worker: the real service, batcher and cache over a fake tower.
class LocalEncoder {
 public:
  LocalEncoder(const Surroundings& around, std::string id, uint64_t incarnation);
  ~LocalEncoder();

  void Hold();             // whatever comes to the tower waits there
  void Release();
  void Kill() { shell_.Kill(); }  // its process; what is held in its tower stays there until Release
  void Stop();             // idempotent

  const WorkerShell& shell() const { return shell_; }
  vision::EncodeBatcher::Counters counters() const { return batcher_.counters(); }
  vision::EncodeBatcher::Counters CountersAtRest() const;  // once every picture is accounted for, which may be after its rows are out
  bool busy() const;       // a batch has come to the tower, which is held

 private:
  void PassGate();

  SteadyClock clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;      // guarded by mutex_, as below
  int waiting_ = 0;
  ChangeSignal arrivals_;
  worker::EncodeFailures failures_;
  worker::PinBoard pins_{kEmbeddingPin};
  vision::EmbeddingStore store_;
  fakes::FakeVisionEncoder tower_;
  vision::EncodeBatcher batcher_;
  worker::EncoderService service_;
  WorkerShell shell_;
};

}  // namespace triptych::cluster_test
