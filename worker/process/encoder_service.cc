#include "worker/process/encoder_service.h"

#include <algorithm>

#include <xxhash.h>

#include "common/log/log.h"
#include "common/rpc/proto_duration.h"
#include "common/status_reason.h"
#include "worker/process/decode_request.h"

namespace triptych::worker {

using internal::v1::EmbeddingChunk;
using internal::v1::EncodeRequest;
using internal::v1::EncodeResponse;
using internal::v1::FetchEmbeddingRequest;

namespace {

constexpr int64_t kMaxChunkBytes = 1 << 20;

EmbeddingChunk MakeChunk(const vision::EmbeddingStore::Pin& pin, int32_t first, int32_t count) {
  const at::Tensor rows = pin.Rows(first, count).contiguous();
  EmbeddingChunk chunk;
  chunk.set_first_row(first);
  chunk.set_rows(count);
  chunk.set_hidden_size(static_cast<uint32_t>(rows.size(1)));
  chunk.set_total_rows(pin.total_rows());
  chunk.set_data(rows.const_data_ptr(), rows.nbytes());
  chunk.set_checksum(XXH3_64bits(chunk.data().data(), chunk.data().size()));
  return chunk;
}

}  // namespace

void EncodeFailures::Add(const EmbeddingKey& key, const Status& why) {
  std::lock_guard lock(mutex_);
  failures_.emplace_back(key, why);
  if (failures_.size() > kMax) failures_.pop_front();
}

void EncodeFailures::Forget(const EmbeddingKey& key) {
  std::lock_guard lock(mutex_);
  std::erase_if(failures_, [&](const auto& failure) { return failure.first == key; });
}

Status EncodeFailures::Find(const EmbeddingKey& key) const {
  std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(failures_, key, [](const auto& failure) { return failure.first; });
  return found == failures_.end() ? OkStatus() : found->second;
}

grpc::ServerUnaryReactor* EncoderService::Encode(grpc::CallbackServerContext* context,
                                                 const EncodeRequest* request,
                                                 EncodeResponse* response) {
  return ServeUnary<EncodeRequest, EncodeResponse>(
      runtime_, context, request, response,
      [this](CallInfo, EncodeRequest request) { return RunEncode(this, std::move(request)); });
}

Status EncoderService::Check(const EncodeRequest& request) const {
  if (draining_) return WithReason(Unavailable("this worker is draining"), "DRAINING");
  if (request.incarnation() != parts_.incarnation) {
    return WithReason(Unavailable("another incarnation of this worker was meant"), "OTHER_INCARNATION");
  }
  if (request.card_digest() != parts_.card_digest) return FailedPrecondition("this worker serves another model");
  return OkStatus();
}

Task<StatusOr<EncodeResponse>> EncoderService::RunEncode(EncoderService* self, EncodeRequest request) {
  const Parts& parts = self->parts_;
  TRIPTYCH_CO_RETURN_IF_ERROR(self->Check(request));
  TRIPTYCH_CO_ASSIGN_OR_RETURN(const EmbeddingKey key, ParseEmbeddingKey(request.key()));
  parts.failures->Forget(key);
  const PinBoard::Place place = parts.pins->Take(key, request.decoder());
  auto done = std::make_shared<Handoff<StatusOr<vision::EncodeReport>>>();
  parts.batcher->Submit({.key = key,
                         .image = std::move(*request.mutable_image()),
                         .max_tiles = static_cast<int32_t>(request.max_tiles()),
                         .expected_rows = static_cast<int32_t>(request.expected_rows())},
                        [done](StatusOr<vision::EncodeReport> report) { done->Set(std::move(report)); });
  StatusOr<vision::EncodeReport> report = co_await done->Await();
  if (!report.ok()) {
    parts.pins->GiveUp(place);
    spdlog::info("request {}: picture refused: {}", LogId(request.request_id()), Message(report.status()));
    co_return report.status();
  }
  EncodeResponse response;
  response.set_rows(report->pin.total_rows());
  response.set_tiles(report->tiles);
  response.set_cached(report->cached);
  *response.mutable_media() = ToProto(report->media);
  *response.mutable_queue() = ToProto(report->queue);
  *response.mutable_encode() = ToProto(report->encode);
  parts.pins->Fill(place, std::move(report->pin), std::chrono::steady_clock::now());
  co_return response;
}

grpc::ServerWriteReactor<EmbeddingChunk>* EncoderService::FetchEmbedding(grpc::CallbackServerContext* context,
                                                                         const FetchEmbeddingRequest* request) {
  return ServeWriter<FetchEmbeddingRequest, EmbeddingChunk>(
      runtime_, context, request, [this](std::shared_ptr<FetchStream> stream, FetchEmbeddingRequest request) {
        return CountFetch(this, std::move(stream), std::move(request));
      });
}

Task<Status> EncoderService::CountFetch(EncoderService* self,
                                        std::shared_ptr<FetchStream> stream,
                                        FetchEmbeddingRequest request) {
  ++self->open_fetches_;
  Task<Status> run = RunFetch(self, std::move(stream), std::move(request));
  const Status status = co_await std::move(run);
  --self->open_fetches_;
  co_return status;
}

Task<Status> EncoderService::RunFetch(EncoderService* self,
                                      std::shared_ptr<FetchStream> stream,
                                      FetchEmbeddingRequest request) {
  const Parts& parts = self->parts_;
  TRIPTYCH_CO_ASSIGN_OR_RETURN(const EmbeddingKey key, ParseEmbeddingKey(request.key()));
  const std::shared_ptr<ChangeSignal::Waiter> waiter = parts.arrivals->Subscribe(stream->strand());
  stream->OnCancel([weak = std::weak_ptr(waiter)] {
    if (const auto waiter = weak.lock()) waiter->Wake();
  });
  const TimePoint patience = std::chrono::steady_clock::now() +
                             std::min<Duration>(std::chrono::milliseconds(request.wait_ms()), std::chrono::minutes(1));
  const int32_t rows_per_chunk =
      static_cast<int32_t>(std::max<int64_t>(1, kMaxChunkBytes / (int64_t{4} * parts.store->hidden_size())));
  vision::EmbeddingStore::Pin pin;
  int64_t next = request.first_row();
  while (!stream->cancelled()) {
    if (!pin) pin = parts.store->Find(key);
    if (pin && next > pin.total_rows()) co_return InvalidArgument("first_row: {}, the picture has {}", next, pin.total_rows());
    if (pin && next == pin.total_rows()) {
      parts.pins->Served(key, request.decoder());
      co_return OkStatus();
    }
    if (pin && pin.available_rows() > next) {
      const auto count = static_cast<int32_t>(std::min<int64_t>(rows_per_chunk, pin.available_rows() - next));
      Task<bool> write = stream->Write(MakeChunk(pin, static_cast<int32_t>(next), count));
      const bool written = co_await std::move(write);
      if (!written) break;
      next += count;
      continue;
    }
    TRIPTYCH_CO_RETURN_IF_ERROR(parts.failures->Find(key));
    if (std::chrono::steady_clock::now() >= patience) co_return NotFound("no rows of this picture came in time");
    Task<void> wait = waiter->Wait(patience);
    co_await std::move(wait);
  }
  co_return Cancelled("nobody reads any more");
}

}  // namespace triptych::worker
