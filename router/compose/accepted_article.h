#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/limits.h"
#include "common/model_card/model_card.h"
#include "router/compose/model_caller.h"
#include "router/compose/picture_library.h"
#include "router/image_store.h"
#include "router/metrics.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// A Compose call that was checked.
struct AcceptedArticle {
  std::string id;
  std::string model;
  const ModelCard* card = nullptr;
  std::string tenant;
  std::string instruction, language;
  uint64_t seed = 0;
  std::optional<v1::Sampling> sampling;  // of the text; nothing: the prompt set's
  int32_t max_new_tokens = 0;            // likewise
  std::optional<int32_t> max_images;
  int32_t num_candidates = 0;
  std::vector<StagePicture> own_pictures;  // the user's
  PictureLibrary* library = nullptr;       // null: only the user's own
  bool send_page = false, send_pictures = false;
};

// What all articles of a router share. Everything outlives them.
struct ComposeContext {
  Metrics* metrics = nullptr;
  ImageStore* images = nullptr;
  RequestLimits limits;
  int64_t max_unsent_bytes = kMaxUnsentBytesPerStream;
  Generate generate;
};

}  // namespace triptych::router
