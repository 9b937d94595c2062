#include "router/validation/stopping.h"

#include <algorithm>

#include "router/validation/field_error.h"

namespace triptych::router {
namespace {

Status CheckStopStrings(const v1::Stopping& stopping, const RequestLimits& limits) {
  TRIPTYCH_RETURN_IF_ERROR(
      CheckCount("stopping.stop", stopping.stop_size(), limits.max_stop_strings));
  for (const std::string& stop : stopping.stop()) {
    if (stop.empty() || static_cast<int64_t>(stop.size()) > limits.max_stop_string_bytes) {
      return BadField("STOP_STRING",
                      "stopping.stop",
                      "a stop string has 1 to {} bytes, got {}",
                      limits.max_stop_string_bytes,
                      stop.size());
    }
    if (!IsValidUtf8(stop)) return BadField("UTF8", "stopping.stop", "not valid UTF-8");
  }
  return OkStatus();
}

Status CheckStopIds(const v1::Stopping& stopping,
                    const ModelCard& card,
                    const RequestLimits& limits) {
  TRIPTYCH_RETURN_IF_ERROR(CheckCount(
      "stopping.stop_token_ids", stopping.stop_token_ids_size(), limits.max_stop_token_ids));
  for (uint32_t id : stopping.stop_token_ids()) {
    if (id < static_cast<uint32_t>(card.vocab_size())) continue;
    return BadField("TOKEN_ID",
                    "stopping.stop_token_ids",
                    "token ids lie below {}, got {}",
                    card.vocab_size(),
                    id);
  }
  return OkStatus();
}

Status CheckLengths(const v1::Stopping& stopping, const ModelCard& card) {
  TRIPTYCH_RETURN_IF_ERROR(CheckRange(
      "stopping.max_new_tokens", stopping.max_new_tokens(), 0, card.context_tokens()));
  TRIPTYCH_RETURN_IF_ERROR(CheckRange(
      "stopping.min_new_tokens", stopping.min_new_tokens(), 0, card.context_tokens()));
  if (stopping.max_new_tokens() != 0 && stopping.min_new_tokens() > stopping.max_new_tokens()) {
    return BadField("CONTRADICTION",
                    "stopping.min_new_tokens",
                    "not above max_new_tokens, {}, got {}",
                    stopping.max_new_tokens(),
                    stopping.min_new_tokens());
  }
  return OkStatus();
}

}  // namespace

StatusOr<Stopping> CheckStopping(const v1::Stopping& stopping,
                                 const ModelCard& card,
                                 const RequestLimits& limits) {
  TRIPTYCH_RETURN_IF_ERROR(CheckLengths(stopping, card));
  TRIPTYCH_RETURN_IF_ERROR(CheckStopStrings(stopping, limits));
  TRIPTYCH_RETURN_IF_ERROR(CheckStopIds(stopping, card, limits));
  Stopping checked{
      .max_new_tokens = static_cast<int32_t>(stopping.max_new_tokens()),
      .min_new_tokens = static_cast<int32_t>(stopping.min_new_tokens()),
      .stop = {stopping.stop().begin(), stopping.stop().end()},
      .stop_token_ids = {stopping.stop_token_ids().begin(), stopping.stop_token_ids().end()}};
  if (!stopping.ignore_eos()) {
    const std::vector<TokenId>& own = card.defaults().stop_token_ids;
    checked.stop_token_ids.insert(checked.stop_token_ids.end(), own.begin(), own.end());
  }
  std::ranges::sort(checked.stop_token_ids);
  const auto repeated = std::ranges::unique(checked.stop_token_ids);
  checked.stop_token_ids.erase(repeated.begin(), repeated.end());
  return checked;
}

StatusOr<std::vector<std::vector<TokenId>>> CheckConstraint(const v1::Constraint& constraint,
                                                            const ModelCard& card,
                                                            const RequestLimits& limits) {
  std::vector<std::vector<TokenId>> ids;
  if (constraint.constraint_case() == v1::Constraint::CONSTRAINT_NOT_SET) return ids;
  if (!constraint.has_choices()) {
    const std::string_view field = constraint.has_regex() ? "constraint.regex" : "constraint.json_schema";
    return WithReason(
        Unimplemented("{}: this server constrains output to choices only", field), "CONSTRAINT", field);
  }
  const v1::Choices& choices = constraint.choices();
  const std::string_view field = "constraint.choices";
  TRIPTYCH_RETURN_IF_ERROR(CheckCount(field, choices.choices_size(), limits.max_choices));
  if (choices.choices().empty()) return BadField("EMPTY", field, "at least one is needed");
  for (const std::string& choice : choices.choices()) {
    if (choice.empty() || static_cast<int64_t>(choice.size()) > limits.max_choice_bytes) {
      return BadField("CHOICE",
                      field,
                      "a choice has 1 to {} bytes, got {}",
                      limits.max_choice_bytes,
                      choice.size());
    }
    if (!IsValidUtf8(choice)) return BadField("UTF8", field, "not valid UTF-8");
    ids.push_back(card.tokenizer().Encode(choice, /*trusted=*/false));
  }
  return ids;
}

}  // namespace triptych::router
