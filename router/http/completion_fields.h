#pragma once

#include "router/http/completion_request.h"
#include "router/http/json_fields.h"

namespace triptych::router {

// What both forms have in common: model, stream, sampling, stopping. Fields of ours that OpenAI's
// API does not have go by the names that they have elsewhere.
void ReadCommonFields(JsonFields& fields, CompletionRequest& request);

}  // namespace triptych::router
