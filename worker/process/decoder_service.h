#pragma once

#include <atomic>
#include <memory>

#include "common/async/io_runtime.h"
#include "common/rpc/server_call.h"
#include "triptych/internal/v1/decoder.grpc.pb.h"
#include "worker/process/cache_journal.h"
#include "worker/process/decode_session.h"

namespace triptych::worker {

// The Decoder service. Before Open it answers kUnavailable (the model is loading), after Drain too (reason DRAINING). The
// journal outlives it, and so does what `context` points to.
class DecoderService final : public internal::v1::Decoder::CallbackService {
 public:
  DecoderService(IoRuntime* runtime, CacheJournal* journal) : runtime_(*runtime), journal_(*journal) {}

  void Open(const DecodeContext* context) { context_ = context; }  // any thread
  void Drain() { draining_ = true; }
  int64_t open_streams() const { return open_streams_; }

  grpc::ServerBidiReactor<internal::v1::DecodeRequest, internal::v1::DecodeEvent>* Decode(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<internal::v1::CacheUpdate>* WatchCache(
      grpc::CallbackServerContext* context,
      const internal::v1::WatchCacheRequest* request) override;

 private:
  using DecodeStream = DecodeSession::Stream;
  using CacheStream = ServerStream<internal::v1::WatchCacheRequest, internal::v1::CacheUpdate>;
  static Task<Status> RunDecode(DecoderService* self, std::shared_ptr<DecodeStream> stream);
  static Task<Status> RunWatch(DecoderService* self, std::shared_ptr<CacheStream> stream);

  IoRuntime& runtime_;
  CacheJournal& journal_;
  std::atomic<const DecodeContext*> context_{nullptr};
  std::atomic<bool> draining_{false};
  std::atomic<int64_t> open_streams_{0};
  std::atomic<engine::RequestId> next_id_{1};
};

}  // namespace triptych::worker
