#include "worker/process/decode_request.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "common/status_reason.h"

namespace triptych::worker {
namespace {

using internal::v1::StartDecode;

Status CheckMeantForUs(const StartDecode& start, const DecoderTraits& traits) {
  if (start.incarnation() != traits.incarnation) {
    return WithReason(Unavailable("the request is meant for another incarnation of this worker"), "OTHER_INCARNATION");
  }
  const auto& wanted = start.identity();
  const auto& own = traits.identity;
  if (wanted.card_digest() != own.card_digest() || wanted.weights_digest() != own.weights_digest() ||
      wanted.numerics() != own.numerics()) {
    return FailedPrecondition("the request is meant for numerics '{}' of model '{}', this worker has '{}' of '{}'",
                              wanted.numerics(), wanted.name(), own.numerics(), own.name());
  }
  return OkStatus();
}

Status CheckIds(const auto& ids, int32_t vocab_size, const char* what) {
  for (const auto id : ids) {
    if (std::cmp_less(id, 0) || std::cmp_greater_equal(id, vocab_size)) {
      return InvalidArgument("{} {} is outside the vocabulary of {}", what, id, vocab_size);
    }
  }
  return OkStatus();
}

// Copies the prompt; every image row must lie in exactly one picture, in order.
Status ReadPrompt(const StartDecode& start, const DecoderTraits& traits, engine::Request& request) {
  if (start.prompt_size() == 0) return InvalidArgument("the prompt is empty");
  if (start.prompt_size() > traits.context_tokens) {
    return InvalidArgument("the prompt has {} tokens, the context {}", start.prompt_size(), traits.context_tokens);
  }
  request.prompt.assign(start.prompt().begin(), start.prompt().end());
  int64_t next_free = 0, covered = 0;
  for (const auto& picture : start.pictures()) {
    TRIPTYCH_ASSIGN_OR_RETURN(const EmbeddingKey key, ParseEmbeddingKey(picture.key()));
    const int64_t begin = picture.start(), end = begin + picture.rows();
    if (picture.rows() == 0 || begin < next_free || end > start.prompt_size()) {
      return InvalidArgument("a picture's rows [{}, {}) do not fit the prompt of {}", begin, end, start.prompt_size());
    }
    const auto rows = std::span(request.prompt).subspan(begin, picture.rows());
    if (std::ranges::any_of(rows, [](TokenId id) { return id != kImageRow; })) {
      return InvalidArgument("a text token stands inside a picture's rows [{}, {})", begin, end);
    }
    request.images.push_back({static_cast<int32_t>(begin), static_cast<int32_t>(picture.rows()), key});
    next_free = end;
    covered += picture.rows();
  }
  if (std::ranges::count(request.prompt, kImageRow) != covered) {
    return InvalidArgument("image rows without a picture");
  }
  for (const TokenId id : request.prompt) {
    if (id != kImageRow && (id < 0 || id >= traits.vocab_size)) {
      return InvalidArgument("prompt id {} is outside the vocabulary of {}", id, traits.vocab_size);
    }
  }
  return OkStatus();
}

StatusOr<std::shared_ptr<const engine::SamplingParams>> ReadSampling(const StartDecode& start,
                                                                     const DecoderTraits& traits) {
  const auto& from = start.sampling();
  auto to = std::make_shared<engine::SamplingParams>();
  for (const float number : {from.temperature(), from.top_p(), from.min_p(), from.repetition_penalty(),
                             from.presence_penalty(), from.frequency_penalty(), from.length_penalty()}) {
    if (!std::isfinite(number)) return InvalidArgument("a sampling number is not finite");
  }
  if (from.temperature() < 0 || from.top_p() < 0 || from.top_p() > 1 || from.min_p() < 0 || from.min_p() > 1 ||
      from.repetition_penalty() < 0) {
    return InvalidArgument("a sampling number is out of range");
  }
  to->temperature = from.temperature();
  to->top_p = from.top_p() == 0 ? 1 : from.top_p();
  to->top_k = static_cast<int32_t>(std::min<uint32_t>(from.top_k(), traits.vocab_size));
  to->min_p = from.min_p();
  to->repetition_penalty = from.repetition_penalty() == 0 ? 1 : from.repetition_penalty();
  to->presence_penalty = from.presence_penalty();
  to->frequency_penalty = from.frequency_penalty();
  to->seed = from.seed();
  if (std::cmp_greater(from.num_beams(), traits.limits.max_beams)) {
    return InvalidArgument("num_beams {}, at most {}", from.num_beams(), traits.limits.max_beams);
  }
  to->num_beams = std::max<int32_t>(1, static_cast<int32_t>(from.num_beams()));
  to->length_penalty = from.length_penalty() == 0 ? 1 : from.length_penalty();
  if (std::cmp_greater(start.top_logprobs(), traits.limits.max_top_logprobs)) {
    return InvalidArgument("top_logprobs {}, at most {}", start.top_logprobs(), traits.limits.max_top_logprobs);
  }
  to->top_logprobs = std::min<int32_t>(static_cast<int32_t>(start.top_logprobs()), traits.vocab_size);
  for (const auto& [id, bias] : from.logit_bias()) {
    TRIPTYCH_RETURN_IF_ERROR(CheckIds(std::initializer_list<uint32_t>{id}, traits.vocab_size, "logit_bias id"));
    if (!std::isfinite(bias)) return InvalidArgument("logit_bias of id {} is not finite", id);
    to->logit_bias.emplace_back(static_cast<TokenId>(id), bias);
  }
  std::ranges::sort(to->logit_bias);  // a map's order is not a function of its content
  return std::shared_ptr<const engine::SamplingParams>(std::move(to));
}

Status ReadStopping(const StartDecode& start, const DecoderTraits& traits, engine::Request& request) {
  const auto& limits = start.limits();
  if (!start.score_only() && limits.max_new_tokens() == 0) return InvalidArgument("max_new_tokens is 0");
  if (std::cmp_greater(limits.max_new_tokens(), traits.context_tokens) ||
      limits.min_new_tokens() > limits.max_new_tokens()) {
    return InvalidArgument("new tokens between {} and {} do not fit a context of {}", limits.min_new_tokens(),
                           limits.max_new_tokens(), traits.context_tokens);
  }
  request.max_new_tokens = static_cast<int32_t>(limits.max_new_tokens());
  request.min_new_tokens = static_cast<int32_t>(limits.min_new_tokens());
  TRIPTYCH_RETURN_IF_ERROR(CheckIds(limits.stop_token_ids(), traits.vocab_size, "stop token id"));
  request.stop_token_ids.assign(limits.stop_token_ids().begin(), limits.stop_token_ids().end());
  for (const auto& choice : start.choices()) {
    if (choice.ids().empty()) return InvalidArgument("a choice is empty");
    TRIPTYCH_RETURN_IF_ERROR(CheckIds(choice.ids(), traits.vocab_size, "id in a choice"));
    request.choices.emplace_back(choice.ids().begin(), choice.ids().end());
  }
  return OkStatus();
}

Status ReadResume(const StartDecode& start, const DecoderTraits& traits, engine::Request& request) {
  if (start.resume().empty()) return OkStatus();
  request.resume.resize(request.num_sequences);
  for (const auto& received : start.resume()) {
    if (std::cmp_greater_equal(received.sequence(), request.num_sequences)) {
      return InvalidArgument("resume names sequence {}, the request has {}", received.sequence(),
                             request.num_sequences);
    }
    TRIPTYCH_RETURN_IF_ERROR(CheckIds(received.token_ids(), traits.vocab_size, "resumed id"));
    if (std::cmp_greater(received.token_ids_size(), request.max_new_tokens)) {
      return InvalidArgument("resume carries {} tokens, at most {} are to be made", received.token_ids_size(),
                             request.max_new_tokens);
    }
    engine::ResumedSequence& to = request.resume[received.sequence()];
    to.output.assign(received.token_ids().begin(), received.token_ids().end());
    to.finished = received.finished();
  }
  return OkStatus();
}

StatusOr<int32_t> ReadAdapter(const std::string& adapter, const DecoderTraits& traits) {
  if (adapter.empty()) return 0;
  const auto found = std::ranges::find(traits.adapters, adapter);
  if (found != traits.adapters.end()) return static_cast<int32_t>(found - traits.adapters.begin());
  return InvalidArgument("the model carries no adapter '{}'; there are: {}", adapter,
                         traits.adapters.empty() ? "none" : fmt::format("{}", fmt::join(traits.adapters, ", ")));
}

engine::Priority ReadPriority(v1::Priority priority) {
  switch (priority) {
    case v1::PRIORITY_INTERACTIVE: return engine::Priority::kInteractive;
    case v1::PRIORITY_BATCH: return engine::Priority::kBatch;
    default: return engine::Priority::kNormal;
  }
}

}  // namespace

StatusOr<EmbeddingKey> ParseEmbeddingKey(const std::string& bytes) {
  EmbeddingKey key;
  if (bytes.size() != key.digest.size()) {
    return InvalidArgument("an embedding key has {} bytes, not {}", bytes.size(), key.digest.size());
  }
  std::ranges::copy(bytes, key.digest.begin());
  return key;
}

StatusOr<std::unique_ptr<engine::Request>> BuildRequest(const StartDecode& start, const DecoderTraits& traits) {
  TRIPTYCH_RETURN_IF_ERROR(CheckMeantForUs(start, traits));
  auto request = std::make_unique<engine::Request>();
  // The numeric identity is this worker's own and needs no salt.
  request->prefix_salt = start.prefix_salt();
  TRIPTYCH_ASSIGN_OR_RETURN(request->adapter, ReadAdapter(start.adapter(), traits));
  TRIPTYCH_RETURN_IF_ERROR(ReadPrompt(start, traits, *request));
  TRIPTYCH_ASSIGN_OR_RETURN(request->sampling, ReadSampling(start, traits));
  const uint32_t wanted = std::max<uint32_t>(1, start.sampling().n());
  const uint32_t allowed = request->sampling->num_beams > 1 ? request->sampling->num_beams : traits.limits.max_sequences;
  if (wanted > allowed) return InvalidArgument("n is {}, at most {}", wanted, allowed);
  request->num_sequences = static_cast<int32_t>(wanted);
  TRIPTYCH_RETURN_IF_ERROR(ReadStopping(start, traits, *request));
  TRIPTYCH_RETURN_IF_ERROR(ReadResume(start, traits, *request));
  request->priority = ReadPriority(start.priority());
  request->score_only = start.score_only();
  request->alone = start.alone();
  request->progress = start.progress();
  request->penalty_sees_prompt = start.penalty_prefix() == 0;
  request->bos = traits.bos;
  return request;
}

}  // namespace triptych::worker
