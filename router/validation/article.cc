#include "router/validation/article.h"

#include "router/compose/article_text.h"
#include "router/validation/field_error.h"
#include "router/validation/options.h"
#include "router/validation/sampling.h"

namespace triptych::router {

Status CheckArticle(const v1::ComposeRequest& request,
                    const ModelCard& card,
                    const RequestLimits& limits) {
  TRIPTYCH_RETURN_IF_ERROR(CheckRequestId(request.request_id(), limits));
  if (TrimSpace(request.instruction()).empty())
    return BadField("EMPTY", "instruction", "a title, or what to write, is needed");
  if (static_cast<int64_t>(request.instruction().size()) > limits.max_text_bytes) {
    return BadField("TEXT_TOO_LONG",
                    "instruction",
                    "at most {} bytes are allowed, got {}",
                    limits.max_text_bytes,
                    request.instruction().size());
  }
  if (!request.language().empty() && !IsLanguageTag(request.language())) {
    return BadField("LANGUAGE",
                    "language",
                    "a BCP 47 tag has at most 35 letters, digits and hyphens, got {} bytes",
                    request.language().size());
  }
  TRIPTYCH_RETURN_IF_ERROR(CheckCount("images", request.images_size(), limits.max_images));
  TRIPTYCH_RETURN_IF_ERROR(
      CheckRange("candidates", request.candidates(), 0, kMaxCandidatePictures));
  TRIPTYCH_RETURN_IF_ERROR(
      CheckRange("max_new_tokens", request.max_new_tokens(), 0, card.context_tokens()));
  TRIPTYCH_RETURN_IF_ERROR(CheckSampling(request.sampling(), card.vocab_size(), limits).status());
  return CheckRange("sampling.n", request.sampling().n(), 0, 1);
}

bool SaysHowToSample(const v1::Sampling& sampling) {
  v1::Sampling rest = sampling;
  rest.clear_seed();
  return rest.ByteSizeLong() > 0;
}

}  // namespace triptych::router
