#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "common/async/change_signal.h"
#include "common/async/io_runtime.h"
#include "common/rpc/server_call.h"
#include "triptych/internal/v1/encoder.grpc.pb.h"
#include "worker/process/pin_board.h"
#include "worker/vision/embedding_store.h"
#include "worker/vision/encode_batcher.h"

namespace triptych::worker {

// Failures of encodings, for fetches that wait for their rows. The latest kMax of them. Thread-safe.
class EncodeFailures {
 public:
  void Add(const EmbeddingKey& key, const Status& why);
  void Forget(const EmbeddingKey& key);  // it is tried again
  Status Find(const EmbeddingKey& key) const;  // OK: none known

 private:
  static constexpr size_t kMax = 256;
  mutable std::mutex mutex_;
  std::deque<std::pair<EmbeddingKey, Status>> failures_;  // guarded by mutex_
};

// The Encoder service over a batcher and its store. All arguments outlive it; `arrivals` is notified when rows come or an encoding fails.
class EncoderService final : public internal::v1::Encoder::CallbackService {
 public:
  struct Parts {
    uint64_t incarnation = 0;
    std::string card_digest;  // 32 bytes
    vision::EncodeBatcher* batcher = nullptr;
    vision::EmbeddingStore* store = nullptr;
    PinBoard* pins = nullptr;
    EncodeFailures* failures = nullptr;
    ChangeSignal* arrivals = nullptr;
  };
  EncoderService(IoRuntime* runtime, Parts parts) : runtime_(*runtime), parts_(std::move(parts)) {}

  void Drain() { draining_ = true; }  // refuses what is new; rows can still be fetched
  int open_fetches() const { return open_fetches_; }

  grpc::ServerUnaryReactor* Encode(grpc::CallbackServerContext* context,
                                   const internal::v1::EncodeRequest* request,
                                   internal::v1::EncodeResponse* response) override;
  grpc::ServerWriteReactor<internal::v1::EmbeddingChunk>* FetchEmbedding(
      grpc::CallbackServerContext* context,
      const internal::v1::FetchEmbeddingRequest* request) override;

 private:
  using FetchStream = ServerStream<internal::v1::FetchEmbeddingRequest, internal::v1::EmbeddingChunk>;
  Status Check(const internal::v1::EncodeRequest& request) const;
  static Task<StatusOr<internal::v1::EncodeResponse>> RunEncode(EncoderService* self, internal::v1::EncodeRequest request);
  static Task<Status> CountFetch(EncoderService* self,
                                 std::shared_ptr<FetchStream> stream,
                                 internal::v1::FetchEmbeddingRequest request);
  static Task<Status> RunFetch(EncoderService* self,
                               std::shared_ptr<FetchStream> stream,
                               internal::v1::FetchEmbeddingRequest request);

  IoRuntime& runtime_;
  const Parts parts_;
  std::atomic<bool> draining_{false};
  std::atomic<int> open_fetches_{0};
};

}  // namespace triptych::worker
