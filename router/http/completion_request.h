#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/status.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// The two forms of OpenAI's completions.
enum class CompletionForm { kChat, kText };

// What a POST of /v1/chat/completions or /v1/completions asks for.
struct CompletionRequest {
  CompletionForm form = CompletionForm::kChat;
  v1::GenerateRequest generate;
  bool stream = false;
  bool include_usage = false;  // of a stream, in a chunk of its own
  bool logprobs = false;
  int32_t top_logprobs = 0;                // alternatives shown of each token
  std::string length_field;                // by which max_new_tokens was given
  std::vector<std::string> image_fields;   // of the pictures in order, as paths
};

// kInvalidArgument names the field and what is allowed. Most numbers are checked with those of
// Generate, by whoever runs the request; such errors then go through InTermsOf.
StatusOr<CompletionRequest> ReadChatRequest(std::string body);
StatusOr<CompletionRequest> ReadTextRequest(std::string body);

// An error of the request's Generate call, naming the fields of the JSON instead of the proto's.
Status InTermsOf(const CompletionRequest& request, const Status& status);

}  // namespace triptych::router
