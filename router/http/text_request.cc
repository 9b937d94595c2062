// Bodies of POST /v1/completions.
#include <algorithm>
#include <limits>
#include <utility>

#include "router/http/completion_fields.h"
#include "router/http/completion_request.h"
#include "router/http/json_body.h"

namespace triptych::router {

StatusOr<CompletionRequest> ReadTextRequest(std::string body) {
  constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();
  constexpr int64_t kUsualTokens = 16;  // as OpenAI has it
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json json, ParseJsonBody(std::move(body)));
  CompletionRequest request;
  request.form = CompletionForm::kText;
  request.length_field = "max_tokens";
  JsonFields fields(json, "");
  std::string prompt;
  if (!fields.Text("prompt", &prompt)) fields.Fail("prompt", "must be a string");
  request.generate.mutable_prompt()->mutable_raw()->add_parts()->set_text(std::move(prompt));
  ReadCommonFields(fields, request);
  int64_t tokens = kUsualTokens, logprobs = 0;
  fields.Integer("max_tokens", &tokens, 1, kMaxInt32);
  request.generate.mutable_stopping()->set_max_new_tokens(static_cast<uint32_t>(tokens));
  request.logprobs = fields.Integer("logprobs", &logprobs, 0, kMaxInt32);
  request.top_logprobs = static_cast<int32_t>(logprobs);
  if (request.logprobs)
    request.generate.set_top_logprobs(static_cast<uint32_t>(std::max<int64_t>(1, logprobs)));
  fields.Refuse("echo");
  fields.Refuse("suffix");
  fields.Refuse("best_of", std::max<uint32_t>(1, request.generate.sampling().n()));
  TRIPTYCH_RETURN_IF_ERROR(fields.Finish());
  return request;
}

}  // namespace triptych::router
