#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/limits.h"
#include "common/model_card/model_card.h"
#include "common/status.h"
#include "router/image_store.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// One picture of a request, as workers will know it.
struct RequestImage {
  StoredImage image;
  int32_t max_tiles = 0;  // resolved: the model's default where the client gave none
  int32_t tiles = 0;
  EmbeddingKey key;
};

// A prompt as a decoder sees it, and the pictures that its rows come from. Token counts are exact.
struct PreparedPrompt {
  TokenizedPrompt tokens;
  std::vector<RequestImage> images;  // those that tokens.images refer to
  int32_t image_tokens = 0;

  int32_t prompt_tokens() const { return static_cast<int32_t>(tokens.ids.size()); }
};

// Checks the prompt, reads its pictures' headers, renders the model's template. Pictures sent inline are stored, so that later requests of
// the tenant may name them. kInvalidArgument names the field; kNotFound (reason IMAGE_UNKNOWN) a digest that is not in the store.
StatusOr<PreparedPrompt> PreparePrompt(const v1::Prompt& prompt,
                                       const ModelCard& card,
                                       const std::string& tenant,
                                       const RequestLimits& limits,
                                       ImageStore& store);

// A picture of a request, which is stored if it came inline. Errors as PreparePrompt's, without
// naming a field of their own.
StatusOr<StoredImage> ResolveImage(const v1::Image& image,
                                   const std::string& tenant,
                                   const RequestLimits& limits,
                                   ImageStore& store);

// A picture file's digest and header. kInvalidArgument.
StatusOr<StoredImage> ReadImage(std::string file, const RequestLimits& limits);

}  // namespace triptych::router
