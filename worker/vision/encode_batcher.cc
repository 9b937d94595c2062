#include "worker/vision/encode_batcher.h"

#include <span>
#include <utility>

#include <ATen/ops/cat.h>

#include "worker/kernels/cpu_team.h"
#include "worker/vision/guarded.h"
#include "worker/vision/image_decoder.h"

namespace triptych::vision {
namespace {

bool IsComplete(const EmbeddingStore::Pin& pin) { return pin && pin.available_rows() == pin.total_rows(); }

StatusOr<EncodeReport> Checked(EncodeReport report, int32_t expected_rows) {
  const int32_t rows = report.pin.total_rows();
  if (expected_rows == 0 || expected_rows == rows) return report;
  return Internal("picture gives {} embedding rows, {} were counted", rows, expected_rows);
}

}  // namespace

EncodeBatcher::EncodeBatcher(Options options, VisionEncoder* encoder, EmbeddingStore* store, const Clock* clock)
    : options_(std::move(options)),
      encoder_(encoder),
      store_(store),
      clock_(clock),
      queue_({options_.max_waiting_images, options_.max_waiting_bytes, options_.max_prepared_tiles}) {}

EncodeBatcher::~EncodeBatcher() { Stop(); }

void EncodeBatcher::Start() {
  for (int32_t i = 0; i < options_.prepare_threads; ++i) threads_.emplace_back([this] { PrepareLoop(); });
  threads_.emplace_back([this] { DeviceLoop(); });
}

void EncodeBatcher::Stop() {
  queue_.Close();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  for (const std::shared_ptr<Flight>& flight : queue_.InFlight()) End(flight, Unavailable("the encoder is stopping"));
}

void EncodeBatcher::Submit(EncodeJob job, EncodeDone done) {
  Count(&Counters::submitted);
  if (EmbeddingStore::Pin pin = store_->Find(job.key); IsComplete(pin)) {
    Count(&Counters::hits);
    return Hit(std::move(done), job.expected_rows, std::move(pin));
  }
  StatusOr<std::shared_ptr<Flight>> flight = queue_.Admit(job, done, clock_->Now());
  if (!flight.ok()) {
    Count(&Counters::refused);
    return done(flight.status());
  }
  if (*flight == nullptr) return Count(&Counters::joined);
  // A flight of this key may have ended between the look and the admission; now that ours is known no other can begin.
  if (EmbeddingStore::Pin pin = store_->Find(job.key); IsComplete(pin)) {
    auto waiters = queue_.End(*flight);
    if (!waiters) return;
    Count(&Counters::hits);
    for (Flight::Waiter& waiter : *waiters) Hit(std::move(waiter.done), waiter.expected_rows, pin);
    return;
  }
  queue_.Enqueue(*flight);
}

void EncodeBatcher::Hit(EncodeDone done, int32_t expected_rows, EmbeddingStore::Pin pin) {
  done(Checked({.pin = std::move(pin), .cached = true}, expected_rows));
}

void EncodeBatcher::PrepareLoop() {
  while (const std::shared_ptr<Flight> flight = queue_.NextToPrepare()) {
    const Status status = Guarded("preparing a picture", [&] { return Prepare(*flight); });
    Advance();
    if (status.ok()) {
      queue_.PutPrepared(flight);
    } else {
      End(flight, status);
    }
  }
}

Status EncodeBatcher::Prepare(Flight& flight) {
  const TimePoint started = clock_->Now();
  flight.queue += started - flight.waiting_since;
  const std::span<const uint8_t> file(reinterpret_cast<const uint8_t*>(flight.image.data()), flight.image.size());
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor rgb, DecodeImage(file, options_.limits));
  TRIPTYCH_ASSIGN_OR_RETURN(flight.prepared, encoder_->Prepare(rgb, flight.max_tiles));
  TRIPTYCH_ASSIGN_OR_RETURN(flight.pin, store_->Reserve(flight.key, flight.prepared.rows));
  flight.waiting_since = clock_->Now();
  flight.media = flight.waiting_since - started;
  return OkStatus();
}

void EncodeBatcher::DeviceLoop() {
  kernels::CpuTeam team(options_.device_threads);
  const kernels::CpuTeam::Scope scope(&team);
  for (auto runs = queue_.NextBatch(options_.max_batch_tiles); !runs.empty(); runs = queue_.NextBatch(options_.max_batch_tiles)) {
    for (const TileRun& run : runs) {
      if (run.flight->tower_started) continue;
      run.flight->tower_started = clock_->Now();
      run.flight->queue += *run.flight->tower_started - run.flight->waiting_since;
    }
    RunBatch(runs);
  }
}

void EncodeBatcher::RunBatch(const std::vector<TileRun>& runs) {
  const Status ran = Guarded("the vision tower", [&] { return RunTower(runs); });
  if (!ran.ok() && runs.size() > 1) {  // one of them is to blame: not the others
    for (const TileRun& run : runs) RunBatch({run});
    return;
  }
  for (const TileRun& run : runs) {
    Status status = ran;
    if (status.ok() && run.first + run.count < run.flight->num_tiles()) continue;
    if (status.ok()) status = Guarded("the projector", [&] { return Complete(*run.flight); });
    End(run.flight, status);
  }
}

Status EncodeBatcher::RunTower(const std::vector<TileRun>& runs) {
  std::vector<at::Tensor> parts;
  int64_t tiles = 0;
  for (const TileRun& run : runs) {
    parts.push_back(run.flight->prepared.tiles.narrow(0, run.first, run.count));
    tiles += run.count;
  }
  const at::Tensor features = encoder_->Tower(parts.size() == 1 ? parts[0] : at::cat(parts));
  if (features.dim() != 3 || features.size(0) != tiles) return Internal("the vision tower gave features of another number of tiles");
  int64_t first = 0;
  for (const TileRun& run : runs) {
    run.flight->features.push_back(features.narrow(0, first, run.count));
    first += run.count;
  }
  Count(&Counters::tiles, static_cast<uint64_t>(tiles));
  Count(&Counters::batches);
  Advance();
  return OkStatus();
}

Status EncodeBatcher::Complete(Flight& flight) {
  const at::Tensor features = flight.features.size() == 1 ? flight.features[0] : at::cat(flight.features);
  const at::Tensor rows = encoder_->Project(flight.prepared, features);
  if (rows.dim() != 2 || rows.size(0) != flight.prepared.rows) return Internal("the projector gave another number of rows");
  flight.encode = clock_->Now() - *flight.tower_started;
  return store_->Append(flight.key, 0, rows);
}

void EncodeBatcher::End(const std::shared_ptr<Flight>& flight, const Status& status) {
  const EmbeddingStore::Pin pin = std::exchange(flight->pin, {});
  if (!status.ok() && pin) store_->Abandon(flight->key);
  const auto waiters = queue_.End(flight);
  if (!waiters) return;
  Count(status.ok() ? &Counters::encoded : &Counters::failed);
  Advance();
  if (!status.ok() && options_.on_failed) options_.on_failed(flight->key, status);
  for (const Flight::Waiter& waiter : *waiters) {
    if (!status.ok()) {
      waiter.done(status);
      continue;
    }
    EncodeReport report{.pin = pin, .tiles = static_cast<int32_t>(flight->num_tiles()), .media = flight->media, .queue = flight->queue, .encode = flight->encode};
    waiter.done(Checked(std::move(report), waiter.expected_rows));
  }
}

void EncodeBatcher::Count(uint64_t Counters::*counter, uint64_t by) {
  std::lock_guard lock(counters_mutex_);
  counters_.*counter += by;
}

EncodeBatcher::Counters EncodeBatcher::counters() const {
  std::lock_guard lock(counters_mutex_);
  return counters_;
}

int64_t EncodeBatcher::in_flight() const { return queue_.size(); }
int64_t EncodeBatcher::waiting_tiles() const { return queue_.prepared_tiles(); }
uint64_t EncodeBatcher::progress() const { return progress_.load(); }
void EncodeBatcher::Advance() { ++progress_; }
bool EncodeBatcher::has_work() const { return in_flight() > 0; }

}  // namespace triptych::vision
