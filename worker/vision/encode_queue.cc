#include "worker/vision/encode_queue.h"

#include <algorithm>
#include <utility>

#include "common/status_reason.h"

namespace triptych::vision {

StatusOr<std::shared_ptr<Flight>> EncodeQueue::Admit(EncodeJob& job, EncodeDone& done, TimePoint now) {
  std::lock_guard lock(mutex_);
  if (closed_) return Unavailable("the encoder is stopping");
  if (const auto found = flights_.find(job.key); found != flights_.end()) {
    found->second->waiters.push_back({job.expected_rows, std::move(done)});
    return nullptr;
  }
  if (job.image.empty()) return WithReason(NotFound("no embedding of this picture is here"), "EMBEDDING_UNKNOWN");
  const auto bytes = static_cast<int64_t>(job.image.size());
  if (static_cast<int32_t>(flights_.size()) >= bounds_.images || bytes_ + bytes > bounds_.bytes) {
    return WithReason(ResourceExhausted("the encoder is full: {} pictures of {} bytes wait, at most {} of {}", flights_.size(),
                                        bytes_, bounds_.images, bounds_.bytes),
                      "ENCODER_FULL");
  }
  auto flight = std::make_shared<Flight>();
  flight->key = job.key;
  flight->image = std::move(job.image);
  flight->max_tiles = job.max_tiles;
  flight->waiting_since = now;
  flight->waiters.push_back({job.expected_rows, std::move(done)});
  bytes_ += bytes;
  flights_.emplace(job.key, flight);
  return flight;
}

void EncodeQueue::Enqueue(const std::shared_ptr<Flight>& flight) {
  {
    std::lock_guard lock(mutex_);
    to_prepare_.push_back(flight);
  }
  may_prepare_.notify_one();
}

std::shared_ptr<Flight> EncodeQueue::NextToPrepare() {
  std::unique_lock lock(mutex_);
  may_prepare_.wait(lock, [this] {
    return closed_ || (!to_prepare_.empty() && prepared_tiles_ < bounds_.prepared_tiles);
  });
  if (closed_) return nullptr;
  std::shared_ptr<Flight> flight = std::move(to_prepare_.front());
  to_prepare_.pop_front();
  return flight;
}

void EncodeQueue::PutPrepared(std::shared_ptr<Flight> flight) {
  {
    std::lock_guard lock(mutex_);
    prepared_tiles_ += flight->num_tiles();
    to_run_.push_back(std::move(flight));
  }
  may_run_.notify_one();
}

std::vector<TileRun> EncodeQueue::NextBatch(int64_t max_tiles) {
  std::vector<TileRun> batch;
  {
    std::unique_lock lock(mutex_);
    may_run_.wait(lock, [this] { return closed_ || !to_run_.empty(); });
    if (closed_) return batch;
    int64_t room = max_tiles;
    while (room > 0 && !to_run_.empty()) {
      const std::shared_ptr<Flight> flight = to_run_.front();
      const int64_t count = std::min(room, flight->num_tiles() - flight->taken_tiles);
      batch.push_back({flight, flight->taken_tiles, count});
      flight->taken_tiles += count;
      prepared_tiles_ -= count;
      room -= count;
      if (flight->taken_tiles == flight->num_tiles()) to_run_.pop_front();
    }
  }
  may_prepare_.notify_all();
  return batch;
}

std::optional<std::vector<Flight::Waiter>> EncodeQueue::End(const std::shared_ptr<Flight>& flight) {
  std::lock_guard lock(mutex_);
  const auto found = flights_.find(flight->key);
  if (found == flights_.end() || found->second != flight) return std::nullopt;
  flights_.erase(found);
  bytes_ -= static_cast<int64_t>(flight->image.size());
  if (const auto waiting = std::find(to_run_.begin(), to_run_.end(), flight); waiting != to_run_.end()) {
    prepared_tiles_ -= flight->num_tiles() - flight->taken_tiles;
    to_run_.erase(waiting);
  }
  return std::exchange(flight->waiters, {});
}

void EncodeQueue::Close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  may_prepare_.notify_all();
  may_run_.notify_all();
}

std::vector<std::shared_ptr<Flight>> EncodeQueue::InFlight() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Flight>> all;
  for (const auto& [key, flight] : flights_) all.push_back(flight);
  return all;
}

int64_t EncodeQueue::size() const {
  std::lock_guard lock(mutex_);
  return static_cast<int64_t>(flights_.size());
}

int64_t EncodeQueue::prepared_tiles() const {
  std::lock_guard lock(mutex_);
  return prepared_tiles_;
}

}  // namespace triptych::vision
