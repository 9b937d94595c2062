// Bodies of POST /v1/chat/completions.
#include <algorithm>
#include <limits>
#include <utility>

#include "router/http/completion_fields.h"
#include "router/http/completion_request.h"
#include "router/http/image_reference.h"
#include "router/http/json_body.h"

namespace triptych::router {
namespace {

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();

void ReadImagePart(const nlohmann::json& value,
                   const std::string& path,
                   CompletionRequest& request,
                   JsonFields& owner,
                   v1::Part& part) {
  JsonFields fields(value, path);
  std::string url, detail = "auto";
  int64_t max_tiles = 0;
  if (!fields.Text("url", &url)) fields.Fail("url", "is needed");
  fields.Text("detail", &detail);
  if (detail != "auto" && detail != "high" && detail != "low")
    fields.Fail("detail", "must be auto, low or high");
  if (detail == "low") max_tiles = 1;
  fields.Integer("max_tiles", &max_tiles, 0, kMaxInt32);
  owner.Take(fields.Finish());
  if (!owner.status().ok()) return;
  StatusOr<v1::Image> image = ReadImageReference(url, path + ".url");
  if (!image.ok()) return owner.Take(image.status());
  *part.mutable_image() = *std::move(image);
  part.mutable_image()->set_max_tiles(static_cast<uint32_t>(max_tiles));
  request.image_fields.push_back(path);
}

void ReadPart(const nlohmann::json& value,
              const std::string& path,
              CompletionRequest& request,
              JsonFields& owner,
              v1::Message& message) {
  JsonFields fields(value, path);
  std::string type;
  if (!fields.Text("type", &type)) fields.Fail("type", "is needed: text or image_url");
  v1::Part& part = *message.add_parts();
  if (type == "text") {
    if (!fields.Text("text", part.mutable_text())) fields.Fail("text", "is needed");
  } else if (type == "image_url") {
    const nlohmann::json* image = fields.Find("image_url");
    if (image == nullptr) {
      fields.Fail("image_url", "is needed");
    } else {
      ReadImagePart(*image, fields.PathOf("image_url"), request, fields, part);
    }
  } else if (fields.status().ok()) {
    fields.Fail("type", "must be text or image_url");
  }
  owner.Take(fields.Finish());
}

void ReadMessage(const nlohmann::json& value,
                 const std::string& path,
                 CompletionRequest& request,
                 JsonFields& owner) {
  JsonFields fields(value, path);
  v1::Message& message =
      *request.generate.mutable_prompt()->mutable_conversation()->add_messages();
  std::string role;
  if (!fields.Text("role", &role)) fields.Fail("role", "is needed: system, user or assistant");
  message.set_role(role == "user"        ? v1::ROLE_USER
                   : role == "assistant" ? v1::ROLE_ASSISTANT
                                         : v1::ROLE_SYSTEM);
  const bool known =
      role == "user" || role == "assistant" || role == "system" || role == "developer";
  if (fields.status().ok() && !known) fields.Fail("role", "must be system, user or assistant");
  const nlohmann::json* content = fields.Find("content");
  if (content == nullptr || (!content->is_string() && !content->is_array())) {
    fields.Fail("content", "must be a string or a list of parts");
  } else if (content->is_string()) {
    message.add_parts()->set_text(content->get_ref<const std::string&>());
  } else if (content->empty()) {
    fields.Fail("content", "must have at least one part");
  } else {
    for (size_t i = 0; i < content->size() && fields.status().ok(); ++i)
      ReadPart((*content)[i],
               fmt::format("{}[{}]", fields.PathOf("content"), i),
               request,
               fields,
               message);
  }
  fields.Ignore({"name", "annotations"});
  for (const char* key : {"tool_calls", "function_call", "tool_call_id", "audio", "refusal"})
    fields.Refuse(key);
  owner.Take(fields.Finish());
}

void ReadMessages(JsonFields& fields, CompletionRequest& request) {
  const nlohmann::json* messages = fields.Find("messages");
  if (messages == nullptr || !messages->is_array() || messages->empty())
    return fields.Fail("messages", "must be a list of at least one message");
  for (size_t i = 0; i < messages->size() && fields.status().ok(); ++i)
    ReadMessage((*messages)[i], fmt::format("messages[{}]", i), request, fields);
}

void ReadLength(JsonFields& fields, CompletionRequest& request) {
  int64_t old_tokens = 0, tokens = 0;
  const bool has_old = fields.Integer("max_tokens", &old_tokens, 1, kMaxInt32);
  const bool has_new = fields.Integer("max_completion_tokens", &tokens, 1, kMaxInt32);
  if (has_old && has_new && tokens != old_tokens)
    fields.Fail("max_tokens", "differs from max_completion_tokens: give one of them");
  request.length_field = has_old && !has_new ? "max_tokens" : "max_completion_tokens";
  request.generate.mutable_stopping()->set_max_new_tokens(
      static_cast<uint32_t>(std::max(tokens, old_tokens)));
}

void ReadLogprobs(JsonFields& fields, CompletionRequest& request) {
  int64_t top = 0;
  fields.Flag("logprobs", &request.logprobs);
  const bool has_top = fields.Integer("top_logprobs", &top, 0, kMaxInt32);
  if (has_top && !request.logprobs)
    fields.Fail("top_logprobs", "only allowed where logprobs is true");
  request.top_logprobs = static_cast<int32_t>(top);
  if (request.logprobs)
    request.generate.set_top_logprobs(static_cast<uint32_t>(std::max<int64_t>(1, top)));
}

}  // namespace

StatusOr<CompletionRequest> ReadChatRequest(std::string body) {
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json json, ParseJsonBody(std::move(body)));
  CompletionRequest request;
  request.form = CompletionForm::kChat;
  JsonFields fields(json, "");
  ReadMessages(fields, request);
  ReadCommonFields(fields, request);
  ReadLength(fields, request);
  ReadLogprobs(fields, request);
  fields.Refuse("response_format", {{"type", "text"}});
  fields.Refuse("modalities", nlohmann::json::array({"text"}));
  fields.Refuse("tool_choice", "none");
  fields.Refuse("function_call", "none");
  for (const char* key : {"tools", "functions", "audio", "prediction", "reasoning_effort",
                          "verbosity", "web_search_options", "moderation"})
    fields.Refuse(key);
  fields.Ignore({"parallel_tool_calls"});
  TRIPTYCH_RETURN_IF_ERROR(fields.Finish());
  return request;
}

}  // namespace triptych::router
