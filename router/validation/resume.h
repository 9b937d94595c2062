#pragma once

#include <vector>

#include "common/model_card/model_card.h"
#include "common/status.h"
#include "router/validation/options.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// What the client has received of each of n sequences; empty when it resumes nothing. Expects checked sampling and stopping.
StatusOr<std::vector<ReceivedSequence>> CheckResume(const v1::GenerateRequest& request,
                                                    const ModelCard& card);

}  // namespace triptych::router
