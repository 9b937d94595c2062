#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/clock.h"
#include "common/ids.h"
#include "common/status.h"
#include "worker/vision/embedding_store.h"

namespace triptych::vision {

// One picture to encode.
struct EncodeJob {
  EmbeddingKey key;
  std::string image;           // the file; empty: only if it is encoded already or being encoded, else kNotFound
  int32_t max_tiles = 0;
  int32_t expected_rows = 0;   // another number of rows is kInternal, for this job alone; 0 takes any
};

struct EncodeReport {
  EmbeddingStore::Pin pin;     // all rows are there
  int32_t tiles = 0;           // that the tower ran for it; 0 when it was in the store
  bool cached = false;
  Duration media{};            // decoding and preprocessing
  Duration queue{};            // waiting, before and after that
  Duration encode{};           // tower and projector, batches shared with others included
};

using EncodeDone = std::function<void(StatusOr<EncodeReport>)>;

}  // namespace triptych::vision
