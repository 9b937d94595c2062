#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/async/task.h"
#include "common/clock.h"
#include "common/picture_index/text_vector.h"
#include "common/rpc/channel_pool.h"
#include "router/inference_service.h"
#include "router/worker_pool.h"
#include "triptych/internal/v1/token_table.pb.h"

namespace triptych::router {

// Texts as vectors of a served model, by any of its decoders. All arguments outlive it. Thread-safe.
class TextEmbedder {
 public:
  static constexpr int32_t kMaxTexts = 64;

  TextEmbedder(const ModelCatalog* models,
               ChannelPool* channels,
               WorkerPool* workers,
               int64_t max_text_bytes)
      : models_(*models), channels_(*channels), workers_(*workers), max_text_bytes_(max_text_bytes) {}

  // In the texts' order, all of one space. An empty model takes the default. kNotFound (reason
  // MODEL_UNKNOWN), kInvalidArgument names the text, kUnavailable (reason NO_DECODER).
  static Task<StatusOr<std::vector<TextVector>>> Embed(const TextEmbedder* self,
                                                       std::string model,
                                                       std::vector<std::string> texts,
                                                       TimePoint deadline);
  static Task<StatusOr<TextVector>> EmbedOne(const TextEmbedder* self,
                                             std::string model,
                                             std::string text,
                                             TimePoint deadline);

 private:
  StatusOr<internal::v1::AverageRequest> TokensOf(const std::vector<std::string>& texts,
                                                  const ModelCard& card) const;

  const ModelCatalog& models_;
  ChannelPool& channels_;
  WorkerPool& workers_;
  const int64_t max_text_bytes_;  // of a call
};

}  // namespace triptych::router
