#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/limits.h"
#include "worker/vision/encode_job.h"
#include "worker/vision/encode_queue.h"
#include "worker/vision/vision_encoder.h"

namespace triptych::vision {

// Turns pictures into rows of an EmbeddingStore: a small pool of threads decodes and prepares, one device thread runs the tower over batches
// of tiles from many pictures. The same key in flight is joined, not encoded twice; an error ends its own picture only. Submit and the
// accessors are thread-safe. Legal order: construct, Start, Submit, Stop (idempotent, from any state).
class EncodeBatcher {
 public:
  struct Options {
    int32_t max_batch_tiles = 8;
    int32_t max_waiting_images = 256;             // in flight; beyond it kResourceExhausted
    int64_t max_waiting_bytes = 512ll << 20;      // their files, likewise
    int32_t max_prepared_tiles = 64;              // preparing pauses above it
    int32_t prepare_threads = 1;
    int32_t device_threads = 1;                   // of the tower's kernels on the CPU
    RequestLimits limits;
    // A picture could not be encoded. Called on any thread, without a lock, before the jobs are told.
    std::function<void(const EmbeddingKey&, const Status&)> on_failed;
  };
  // submitted = hits + joined + refused + encoded + failed + (pictures in flight now)
  struct Counters {
    uint64_t submitted = 0;
    uint64_t hits = 0;      // were in the store
    uint64_t joined = 0;    // were in flight
    uint64_t refused = 0;   // full, stopped, or an empty file without an embedding
    uint64_t encoded = 0;   // pictures
    uint64_t failed = 0;    // pictures
    uint64_t tiles = 0;     // run by the tower
    uint64_t batches = 0;
  };

  EncodeBatcher(Options options, VisionEncoder* encoder, EmbeddingStore* store, const Clock* clock);
  ~EncodeBatcher();

  void Start();
  // `done` is called exactly once, on any thread, perhaps before Submit returns, and never under a lock.
  void Submit(EncodeJob job, EncodeDone done);
  void Stop();  // pictures in flight fail with kUnavailable

  Counters counters() const;
  int64_t in_flight() const;      // pictures
  int64_t waiting_tiles() const;  // prepared, not yet run
  // For liveness: with work at hand the counter must go on. It counts pictures prepared or ended, and batches.
  uint64_t progress() const;
  bool has_work() const;

 private:
  void PrepareLoop();
  void DeviceLoop();
  Status Prepare(Flight& flight);
  void RunBatch(const std::vector<TileRun>& runs);
  Status RunTower(const std::vector<TileRun>& runs);
  Status Complete(Flight& flight);
  void End(const std::shared_ptr<Flight>& flight, const Status& status);
  void Hit(EncodeDone done, int32_t expected_rows, EmbeddingStore::Pin pin);
  void Count(uint64_t Counters::*counter, uint64_t by = 1);
  void Advance();

  const Options options_;
  VisionEncoder* const encoder_;  // not owned, as the two below; Prepare from all threads, the rest from the device thread
  EmbeddingStore* const store_;
  const Clock* const clock_;
  EncodeQueue queue_;
  std::vector<std::thread> threads_;
  mutable std::mutex counters_mutex_;
  Counters counters_;  // guarded by counters_mutex_
  std::atomic<uint64_t> progress_ = 0;
};

}  // namespace triptych::vision
