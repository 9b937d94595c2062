#include "worker/shard/store_embedding_source.h"

namespace triptych::shard {

StatusOr<at::Tensor> StoreEmbeddingSource::Rows(const EmbeddingKey& key,
                                                int32_t first,
                                                int32_t count) {
  const vision::EmbeddingStore::Pin pin = store_->Find(key);
  if (!pin) return NotFound("the picture's rows are not in the embedding store");
  const int32_t available = pin.available_rows();
  if (first < 0 || count < 0 || first > available || count > available - first) {
    return NotFound(
        "rows [{}, +{}) of a picture of which {} rows are here", first, count, available);
  }
  return pin.Rows(first, count).clone();
}

}  // namespace triptych::shard
