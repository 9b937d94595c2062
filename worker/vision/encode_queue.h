#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "worker/vision/encode_job.h"
#include "worker/vision/vision_encoder.h"

namespace triptych::vision {

// One picture between its admission and its end. Belongs to the thread whose turn it is: the submitter's until Enqueue, a preparing
// thread's until PutPrepared, then the device thread's.
struct Flight {
  struct Waiter {
    int32_t expected_rows = 0;
    EncodeDone done;
  };

  EmbeddingKey key;
  std::string image;
  int32_t max_tiles = 0;
  TimePoint waiting_since;             // of the wait it is in, or was in last
  std::optional<TimePoint> tower_started;
  Duration media{}, queue{}, encode{};
  PreparedImage prepared;
  std::vector<at::Tensor> features;    // [tiles, tokens, width], in order
  EmbeddingStore::Pin pin;

  int64_t num_tiles() const { return prepared.tiles.size(0); }

  // Guarded by the queue's mutex.
  int64_t taken_tiles = 0;
  std::vector<Waiter> waiters;
};

// Tiles [first, first + count) of a picture.
struct TileRun {
  std::shared_ptr<Flight> flight;
  int64_t first = 0;
  int64_t count = 0;
};

// Where pictures wait: for a preparing thread, then for the tower, both first come, first served. Knows every picture in flight by
// key and bounds their number and bytes. Thread-safe.
class EncodeQueue {
 public:
  struct Bounds {
    int32_t images = 0;
    int64_t bytes = 0;
    int32_t prepared_tiles = 0;  // preparing pauses above it
  };
  explicit EncodeQueue(Bounds bounds) : bounds_(bounds) {}

  // Joins the picture's flight (null), or makes one, which the caller must Enqueue or End. kNotFound for an empty file that is not in flight,
  // kResourceExhausted when full, kUnavailable when closed; `done` is then untouched.
  StatusOr<std::shared_ptr<Flight>> Admit(EncodeJob& job, EncodeDone& done, TimePoint now);
  void Enqueue(const std::shared_ptr<Flight>& flight);

  std::shared_ptr<Flight> NextToPrepare();      // waits; null when closed
  void PutPrepared(std::shared_ptr<Flight> flight);
  std::vector<TileRun> NextBatch(int64_t max_tiles);  // waits; empty when closed

  // Takes a picture out, with what is left of its tiles. Nothing when it has ended before.
  std::optional<std::vector<Flight::Waiter>> End(const std::shared_ptr<Flight>& flight);

  void Close();  // wakes all who wait
  std::vector<std::shared_ptr<Flight>> InFlight() const;
  int64_t size() const;
  int64_t prepared_tiles() const;

 private:
  const Bounds bounds_;
  mutable std::mutex mutex_;
  std::condition_variable may_prepare_, may_run_;
  // All below guarded by mutex_.
  std::unordered_map<EmbeddingKey, std::shared_ptr<Flight>> flights_;
  std::deque<std::shared_ptr<Flight>> to_prepare_;
  std::deque<std::shared_ptr<Flight>> to_run_;
  int64_t bytes_ = 0;           // of the files of all in flight
  int64_t prepared_tiles_ = 0;  // of to_run_, without those taken
  bool closed_ = false;
};

}  // namespace triptych::vision
