#include "router/http/completion_fields.h"

#include <charconv>
#include <limits>
#include <utility>

#include "common/status_reason.h"
#include "router/validation/field_error.h"

namespace triptych::router {
namespace {

constexpr int64_t kMaxUint32 = std::numeric_limits<uint32_t>::max();
constexpr int64_t kMaxInt64 = std::numeric_limits<int64_t>::max();

void ReadLogitBias(JsonFields& fields, v1::Sampling& sampling) {
  const nlohmann::json* found = fields.Find("logit_bias");
  if (found == nullptr) return;
  if (!found->is_object())
    return fields.Fail("logit_bias", "must be an object from token ids to numbers");
  for (const auto& [key, value] : found->items()) {
    uint32_t id = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || !value.is_number())
      return fields.Fail("logit_bias", "must be an object from token ids to numbers");
    float bias = 0;
    JsonFields entry(*found, "logit_bias");
    if (!entry.Number(key, &bias)) return fields.Take(entry.status());
    (*sampling.mutable_logit_bias())[id] = bias;
  }
}

void ReadSampling(JsonFields& fields, v1::Sampling& sampling) {
  const auto number = [&](std::string_view key, float usual) {
    fields.Number(key, &usual);
    return usual;
  };
  const auto integer = [&](std::string_view key, int64_t min, int64_t usual) {
    fields.Integer(key, &usual, min, kMaxUint32);
    return static_cast<uint32_t>(usual);
  };
  sampling.set_num_beams(integer("num_beams", 1, 1));
  sampling.set_temperature(number("temperature", sampling.num_beams() > 1 ? 0.0f : 1.0f));
  sampling.set_top_p(number("top_p", 1));
  if (sampling.top_p() == 0) fields.Fail("top_p", "must lie above 0 and at most at 1, got 0");
  sampling.set_top_k(integer("top_k", 0, 0));
  sampling.set_min_p(number("min_p", 0));
  sampling.set_repetition_penalty(number("repetition_penalty", 1));
  sampling.set_presence_penalty(number("presence_penalty", 0));
  sampling.set_frequency_penalty(number("frequency_penalty", 0));
  sampling.set_length_penalty(number("length_penalty", 1));
  sampling.set_n(integer("n", 1, 1));
  ReadLogitBias(fields, sampling);
  int64_t seed = 0;
  if (fields.Integer("seed", &seed, std::numeric_limits<int64_t>::min(), kMaxInt64))
    sampling.set_seed(static_cast<uint64_t>(seed));
}

void ReadStopping(JsonFields& fields, v1::Stopping& stopping) {
  std::vector<std::string> stops;
  fields.Texts("stop", &stops);
  for (std::string& stop : stops) stopping.add_stop(std::move(stop));
  int64_t min_tokens = 0;
  if (fields.Integer("min_tokens", &min_tokens, 0, kMaxUint32))
    stopping.set_min_new_tokens(static_cast<uint32_t>(min_tokens));
  bool ignore_eos = false;
  fields.Flag("ignore_eos", &ignore_eos);
  stopping.set_ignore_eos(ignore_eos);
  const nlohmann::json* ids = fields.Find("stop_token_ids");
  if (ids == nullptr) return;
  if (!ids->is_array()) return fields.Fail("stop_token_ids", "must be a list of token ids");
  for (const nlohmann::json& id : *ids) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > static_cast<uint64_t>(kMaxUint32))
      return fields.Fail("stop_token_ids", "must be a list of token ids");
    stopping.add_stop_token_ids(id.get<uint32_t>());
  }
}

void ReadStreaming(JsonFields& fields, CompletionRequest& request) {
  fields.Flag("stream", &request.stream);
  const nlohmann::json* options = fields.Find("stream_options");
  if (options == nullptr) return;
  if (!request.stream)
    return fields.Fail("stream_options", "only allowed where stream is true");
  JsonFields stream(*options, "stream_options");
  stream.Flag("include_usage", &request.include_usage);
  stream.Ignore({"include_obfuscation"});
  fields.Take(stream.Finish());
}

}  // namespace

void ReadCommonFields(JsonFields& fields, CompletionRequest& request) {
  v1::GenerateRequest& generate = request.generate;
  fields.Text("model", generate.mutable_model());
  ReadStreaming(fields, request);
  ReadSampling(fields, *generate.mutable_sampling());
  ReadStopping(fields, *generate.mutable_stopping());
  fields.Text("adapter", generate.mutable_adapter());
  std::vector<std::string> choices;
  fields.Texts("choices", &choices);
  for (std::string& choice : choices)
    generate.mutable_constraint()->mutable_choices()->add_choices(std::move(choice));
  fields.Ignore({"user", "metadata", "store", "service_tier", "safety_identifier",
                 "prompt_cache_key", "prompt_cache_retention"});
}

Status InTermsOf(const CompletionRequest& request, const Status& status) {
  const std::string field = FieldOf(status);
  if (field.empty()) return status;
  const auto behind = [&](std::string_view prefix) { return field.substr(prefix.size()); };
  const std::string prompt = request.form == CompletionForm::kChat ? "messages" : "prompt";
  std::string name = field;
  if (field == "stopping.max_new_tokens") {
    name = request.length_field;
  } else if (field == "stopping.min_new_tokens") {
    name = "min_tokens";
  } else if (field == "constraint.choices") {
    name = "choices";
  } else if (field == "request_id") {
    name = "X-Request-Id";
  } else if (field.starts_with("sampling.")) {
    name = behind("sampling.");
  } else if (field.starts_with("stopping.")) {
    name = behind("stopping.");
  } else if (field.starts_with("prompt.images[")) {
    const std::string number = behind("prompt.images[");
    size_t index = 0;
    std::from_chars(number.data(), number.data() + number.size(), index);
    name = index < request.image_fields.size() ? request.image_fields[index] : prompt;
  } else if (field.starts_with("prompt") || field.starts_with("image")) {
    name = prompt;
  }
  std::string_view text = Message(status);
  if (text.starts_with(field)) text.remove_prefix(field.size());
  const bool renamed = text.size() < Message(status).size();
  return WithReason(Status(status.code(), renamed ? name + std::string(text) : std::string(text)),
                    ReasonOf(status),
                    name);
}

}  // namespace triptych::router
