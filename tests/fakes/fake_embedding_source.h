#pragma once

#include <map>
#include <utility>

#include <ATen/core/Tensor.h>

#include "worker/shard/embedding_source.h"

namespace triptych::fakes {

// Pictures' rows by key, in memory. Filled before the ranks start.
class FakeEmbeddingSource final : public shard::EmbeddingSource {
 public:
  void Put(const EmbeddingKey& key, at::Tensor rows) { rows_[key] = std::move(rows); }

  StatusOr<at::Tensor> Rows(const EmbeddingKey& key, int32_t first, int32_t count) override {
    const auto found = rows_.find(key);
    if (found == rows_.end() || first + count > found->second.size(0)) {
      return NotFound("no such picture rows");
    }
    return found->second.narrow(0, first, count);
  }

 private:
  std::map<EmbeddingKey, at::Tensor> rows_;  // [rows, hidden] float32
};

}  // namespace triptych::fakes
