#include "worker/process/decoder_service.h"

#include <utility>

#include "common/async/change_signal.h"
#include "common/status_reason.h"

namespace triptych::worker {

using internal::v1::CacheUpdate;
using internal::v1::DecodeEvent;
using internal::v1::DecodeRequest;
using internal::v1::WatchCacheRequest;

namespace {

std::string ToBytes(const EmbeddingKey& key) { return {key.digest.begin(), key.digest.end()}; }

CacheUpdate ToProto(const CacheJournal::Update& update) {
  CacheUpdate proto;
  proto.set_snapshot(update.snapshot);
  for (const uint64_t hash : update.stored_blocks) proto.add_stored_blocks(hash);
  for (const uint64_t hash : update.removed_blocks) proto.add_removed_blocks(hash);
  for (const EmbeddingKey& key : update.stored_embeddings) proto.add_stored_embeddings(ToBytes(key));
  for (const EmbeddingKey& key : update.removed_embeddings) proto.add_removed_embeddings(ToBytes(key));
  return proto;
}

}  // namespace

grpc::ServerBidiReactor<DecodeRequest, DecodeEvent>* DecoderService::Decode(grpc::CallbackServerContext* context) {
  return ServeBidi<DecodeRequest, DecodeEvent>(
      runtime_, context, [this](std::shared_ptr<DecodeStream> stream) { return RunDecode(this, std::move(stream)); });
}

Task<Status> DecoderService::RunDecode(DecoderService* self, std::shared_ptr<DecodeStream> stream) {
  const DecodeContext* context = self->context_;
  if (context == nullptr) co_return WithReason(Unavailable("the model is not loaded yet"), "LOADING");
  if (self->draining_) co_return WithReason(Unavailable("this worker is draining"), "DRAINING");
  ++self->open_streams_;
  auto session = std::make_shared<DecodeSession>(std::move(stream), context, self->next_id_++);
  Task<Status> run = DecodeSession::Run(session);
  const Status status = co_await std::move(run);
  --self->open_streams_;
  co_return status;
}

grpc::ServerWriteReactor<CacheUpdate>* DecoderService::WatchCache(grpc::CallbackServerContext* context,
                                                                  const WatchCacheRequest* request) {
  return ServeWriter<WatchCacheRequest, CacheUpdate>(
      runtime_, context, request,
      [this](std::shared_ptr<CacheStream> stream, WatchCacheRequest) { return RunWatch(this, std::move(stream)); });
}

Task<Status> DecoderService::RunWatch(DecoderService* self, std::shared_ptr<CacheStream> stream) {
  auto signal = std::make_shared<ChangeSignal>();
  const std::shared_ptr<ChangeSignal::Waiter> waiter = signal->Subscribe(stream->strand());
  stream->OnCancel([weak = std::weak_ptr(waiter)] {
    if (const auto waiter = weak.lock()) waiter->Wake();
  });
  const std::unique_ptr<CacheJournal::Subscription> subscription = self->journal_.Subscribe([signal] { signal->Notify(); });
  while (!stream->cancelled()) {
    const CacheJournal::Update update = subscription->Take();
    if (update.empty()) {
      Task<void> wait = waiter->Wait(TimePoint::max());
      co_await std::move(wait);
      continue;
    }
    Task<bool> write = stream->Write(ToProto(update));
    const bool written = co_await std::move(write);
    if (!written) break;
  }
  co_return OkStatus();
}

}  // namespace triptych::worker
