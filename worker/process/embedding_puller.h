#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "common/async/change_signal.h"
#include "common/rpc/channel_pool.h"
#include "triptych/internal/v1/encoder.grpc.pb.h"
#include "worker/process/embedding_fetcher.h"
#include "worker/vision/embedding_store.h"

namespace triptych::worker {

// Pulls rows chunk by chunk into the store, which tells the engine of each. One pull of a key at a time: whoever asks meanwhile
// waits for it. Checks every chunk before it counts. Thread-safe; the arguments outlive it.
class EmbeddingPuller final : public EmbeddingFetcher {
 public:
  // `decoder`: this worker's incarnation, which tells encoders who has been served.
  EmbeddingPuller(ChannelPool* channels, vision::EmbeddingStore* store, uint64_t decoder)
      : channels_(*channels), store_(*store), decoder_(decoder) {}

  Task<Status> Fetch(std::string address,
                     EmbeddingKey key,
                     int32_t rows,
                     TimePoint deadline,
                     std::string request_id) override;

 private:
  static Task<Status> Run(EmbeddingPuller* self,
                          std::string address,
                          EmbeddingKey key,
                          int32_t rows,
                          TimePoint deadline,
                          std::string request_id);
  static Task<Status> Pull(EmbeddingPuller* self,
                           std::string address,
                           EmbeddingKey key,
                           int32_t rows,
                           TimePoint deadline,
                           std::string request_id);
  Status Append(const EmbeddingKey& key, int32_t rows, const internal::v1::EmbeddingChunk& chunk);
  bool Begin(const EmbeddingKey& key);
  void End(const EmbeddingKey& key);

  ChannelPool& channels_;
  vision::EmbeddingStore& store_;
  const uint64_t decoder_;
  ChangeSignal ended_;
  std::mutex mutex_;
  std::set<EmbeddingKey> in_flight_;  // guarded by mutex_
};

}  // namespace triptych::worker
