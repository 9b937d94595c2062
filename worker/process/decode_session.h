#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "common/rpc/outgoing_queue.h"
#include "common/rpc/server_call.h"
#include "triptych/internal/v1/decoder.pb.h"
#include "worker/engine/engine_loop.h"
#include "worker/engine/request.h"
#include "worker/process/decode_request.h"
#include "worker/process/embedding_fetcher.h"
#include "worker/vision/embedding_store.h"

namespace triptych::worker {

// What every decode stream of a worker shares.
struct DecodeContext {
  DecoderTraits traits;
  engine::EngineLoop* engine = nullptr;
  vision::EmbeddingStore* store = nullptr;
  EmbeddingFetcher* fetcher = nullptr;
};

// One Decode stream: hands its request to the engine, brings its pictures' rows, relays what the engine says. Lives on the stream's
// strand; the engine's calls are posted there. Pins its pictures in the embedding store until the stream ends, so that a move to another
// worker needs no second encoding while this one lives.
class DecodeSession final : public engine::RequestSink, public std::enable_shared_from_this<DecodeSession> {
 public:
  using Stream = ServerStream<internal::v1::DecodeRequest, internal::v1::DecodeEvent>;

  DecodeSession(std::shared_ptr<Stream> stream, const DecodeContext* context, engine::RequestId id);

  // The stream's handler: from its first message to the status that ends it.
  static Task<Status> Run(std::shared_ptr<DecodeSession> self);

  // engine::RequestSink, on the engine thread.
  void OnAdmitted(int32_t cached_tokens) override;
  void OnProgress(int32_t prefilled, int32_t total) override;
  void OnTokens(int32_t sequence, int32_t offset, std::vector<engine::ScoredToken> tokens) override;
  void OnFinished(int32_t sequence,
                  engine::FinishReason reason,
                  int32_t output_tokens,
                  double score,
                  std::vector<engine::ScoredToken> prompt_scores,
                  engine::RequestTimings timings) override;
  void OnFailed(Status why) override;

 private:
  struct Picture {
    EmbeddingKey key;
    int32_t rows = 0;
    vision::EmbeddingStore::Pin pin;
    std::optional<std::string> source;  // where to fetch next; taken by FetchPicture
    std::unique_ptr<asio::steady_timer> new_source;
  };

  Status Begin(const internal::v1::StartDecode& start);
  Status PinPictures(const internal::v1::StartDecode& start);
  static Task<void> ReadLoop(std::shared_ptr<DecodeSession> self);
  static Task<void> FetchPicture(std::shared_ptr<DecodeSession> self, size_t index);
  void HandleSource(const internal::v1::EmbeddingSource& source);
  void Post(internal::v1::DecodeEvent event, bool last_of_sequence = false);
  void Push(internal::v1::DecodeEvent event);
  void End(Status status);

  const std::shared_ptr<Stream> stream_;
  const DecodeContext* const context_;
  const engine::RequestId id_;
  std::string request_id_;
  OutgoingQueue<internal::v1::DecodeRequest, internal::v1::DecodeEvent> outgoing_;
  std::vector<Picture> pictures_;
  int32_t open_sequences_ = 0;
  bool wants_logprobs_ = false;
  std::optional<Status> ended_;
  asio::steady_timer done_;  // cancelled by End
};

}  // namespace triptych::worker
