#pragma once

#include "worker/shard/embedding_source.h"
#include "worker/vision/embedding_store.h"

namespace triptych::shard {

// Rows out of the decoder's embedding store, copied, so that what a step computes with cannot be
// evicted under it.
class StoreEmbeddingSource final : public EmbeddingSource {
 public:
  explicit StoreEmbeddingSource(vision::EmbeddingStore* store) : store_(store) {}

  StatusOr<at::Tensor> Rows(const EmbeddingKey& key, int32_t first, int32_t count) override;

 private:
  vision::EmbeddingStore* store_;  // not owned
};

}  // namespace triptych::shard
