#pragma once

#include <string>

#include "common/async/task.h"
#include "common/clock.h"
#include "common/ids.h"
#include "common/status.h"

namespace triptych::worker {

// Brings a picture's rows from an encoder into this worker's embedding store. Implemented by EmbeddingPuller; faked in tests.
class EmbeddingFetcher {
 public:
  virtual ~EmbeddingFetcher() = default;
  // Done when all rows are in the store, whoever brought them. An error means that `address` does not have them: another may.
  virtual Task<Status> Fetch(std::string address,
                             EmbeddingKey key,
                             int32_t rows,
                             TimePoint deadline,
                             std::string request_id) = 0;
};

}  // namespace triptych::worker
