#include "router/validation/options.h"

#include <algorithm>
#include <span>

#include "common/log/log.h"
#include "router/validation/field_error.h"
#include "router/validation/resume.h"
#include "router/validation/sampling.h"

namespace triptych::router {
namespace {

// The first of the card's adapters is the model without one, which goes by the empty name too.
StatusOr<std::string> CheckAdapter(const std::string& adapter, std::span<const std::string> adapters) {
  if (adapter.empty()) return adapter;
  const auto found = std::ranges::find(adapters, adapter);
  if (found != adapters.end()) return found == adapters.begin() ? std::string() : adapter;
  return BadField("ADAPTER",
                  "adapter",
                  "this model carries {}, got {}",
                  adapters.empty() ? "none" : fmt::format("{}", fmt::join(adapters, ", ")),
                  LogId(adapter));
}

Status CheckScoreOnly(const v1::GenerateRequest& request, const GenerateOptions& options) {
  if (!options.score_only) return OkStatus();
  const auto contradiction = [](std::string_view field) {
    return BadField("CONTRADICTION", field, "score_only decodes nothing, so it must not be set");
  };
  if (request.resume_size() > 0) return contradiction("resume");
  if (!options.choices.empty()) return contradiction("constraint");
  if (options.num_sequences() > 1) return contradiction("sampling.n");
  if (options.beam_search()) return contradiction("sampling.num_beams");
  if (!options.stopping.stop.empty()) return contradiction("stopping.stop");
  return OkStatus();
}

// A choice is given whole or not at all.
Status CheckChoiceLengths(const GenerateOptions& options) {
  const int32_t max_new = options.stopping.max_new_tokens;
  for (const std::vector<TokenId>& choice : options.choices) {
    if (max_new == 0 || static_cast<int64_t>(choice.size()) <= max_new) continue;
    return BadField("CONTRADICTION",
                    "stopping.max_new_tokens",
                    "the longest choice needs {} tokens, got {}",
                    choice.size(),
                    max_new);
  }
  return OkStatus();
}

StatusOr<v1::Priority> CheckPriority(v1::Priority priority) {
  if (priority == v1::PRIORITY_UNSPECIFIED) return v1::PRIORITY_NORMAL;
  if (v1::Priority_IsValid(priority)) return priority;
  return BadField("OUT_OF_RANGE",
                  "priority",
                  "must be interactive, normal or batch, got {}",
                  static_cast<int>(priority));
}

}  // namespace

Status CheckRequestId(std::string_view id, const RequestLimits& limits) {
  const auto allowed = [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == ':' || c == '-';
  };
  if (static_cast<int64_t>(id.size()) <= limits.max_request_id_bytes &&
      std::ranges::all_of(id, allowed)) {
    return OkStatus();
  }
  return BadField("REQUEST_ID",
                  "request_id",
                  "at most {} letters, digits and any of . _ : -, got {} bytes",
                  limits.max_request_id_bytes,
                  id.size());
}

StatusOr<GenerateOptions> CheckOptions(const v1::GenerateRequest& request,
                                       const ModelCard& card,
                                       const RequestLimits& limits) {
  TRIPTYCH_RETURN_IF_ERROR(CheckRequestId(request.request_id(), limits));
  TRIPTYCH_RETURN_IF_ERROR(
      CheckCount("top_logprobs", request.top_logprobs(), limits.max_top_logprobs));
  GenerateOptions options;
  TRIPTYCH_ASSIGN_OR_RETURN(options.priority, CheckPriority(request.priority()));
  TRIPTYCH_ASSIGN_OR_RETURN(options.sampling,
                            CheckSampling(request.sampling(), card.vocab_size(), limits));
  TRIPTYCH_ASSIGN_OR_RETURN(options.stopping, CheckStopping(request.stopping(), card, limits));
  TRIPTYCH_ASSIGN_OR_RETURN(options.choices, CheckConstraint(request.constraint(), card, limits));
  options.top_logprobs = static_cast<int32_t>(request.top_logprobs());
  options.score_only = request.score_only();
  options.progress = request.progress();
  TRIPTYCH_ASSIGN_OR_RETURN(options.adapter, CheckAdapter(request.adapter(), card.adapters()));
  options.request_id = request.request_id();
  TRIPTYCH_RETURN_IF_ERROR(CheckChoiceLengths(options));
  TRIPTYCH_RETURN_IF_ERROR(CheckScoreOnly(request, options));
  TRIPTYCH_ASSIGN_OR_RETURN(options.received, CheckResume(request, card));
  return options;
}

StatusOr<int32_t> ResolveMaxNewTokens(const GenerateOptions& options,
                                      const ModelCard& card,
                                      int32_t prompt_tokens,
                                      int32_t image_tokens) {
  const Stopping& stopping = options.stopping;
  const int32_t room = card.context_tokens() - prompt_tokens;
  const int32_t needed =
      options.score_only ? 0 : std::max({1, stopping.max_new_tokens, stopping.min_new_tokens});
  if (room < needed) {
    return BadField("PROMPT_TOO_LONG",
                    "prompt",
                    "the context has {} tokens; the prompt takes {}, {} of them for pictures, and "
                    "the output asks for {}",
                    card.context_tokens(),
                    prompt_tokens,
                    image_tokens,
                    needed);
  }
  if (stopping.max_new_tokens > 0) return stopping.max_new_tokens;
  const int32_t wanted = std::max(card.defaults().max_new_tokens, stopping.min_new_tokens);
  return std::max(1, std::min(wanted, room));
}

}  // namespace triptych::router
