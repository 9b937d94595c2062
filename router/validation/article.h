#pragma once

#include "common/limits.h"
#include "common/model_card/model_card.h"
#include "common/status.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

inline constexpr uint32_t kMaxCandidatePictures = 16;

// Everything of a ComposeRequest but model, library and the pictures themselves.
Status CheckArticle(const v1::ComposeRequest& request,
                    const ModelCard& card,
                    const RequestLimits& limits);

// Whether a sampling says more than a seed.
bool SaysHowToSample(const v1::Sampling& sampling);

}  // namespace triptych::router
