#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/limits.h"
#include "common/model_card/model_card.h"
#include "common/status.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

struct Stopping {
  int32_t max_new_tokens = 0;  // 0: not given
  int32_t min_new_tokens = 0;
  std::vector<std::string> stop;
  std::vector<TokenId> stop_token_ids;  // the model's own included, unless the end is ignored
};

StatusOr<Stopping> CheckStopping(const v1::Stopping& stopping,
                                 const ModelCard& card,
                                 const RequestLimits& limits);

// The token sequences one of which is the output; empty when it is free. kUnimplemented for regex and json_schema.
StatusOr<std::vector<std::vector<TokenId>>> CheckConstraint(const v1::Constraint& constraint,
                                                            const ModelCard& card,
                                                            const RequestLimits& limits);

}  // namespace triptych::router
