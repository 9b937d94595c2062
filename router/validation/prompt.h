#pragma once

#include <string_view>

#include "common/limits.h"
#include "common/model_card/model_card.h"
#include "common/status.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// Everything about a prompt that can be refused without looking into a picture: its form, counts, sizes, ids and text. After an
// OK each picture has exactly one source that is data or a digest, and the work that the prompt asks for is bounded.
Status CheckPrompt(const v1::Prompt& prompt, const ModelCard& card, const RequestLimits& limits);

// One picture by itself: exactly one source that is data, not too much of it, or a digest.
Status CheckImage(const v1::Image& image, const RequestLimits& limits);

}  // namespace triptych::router
