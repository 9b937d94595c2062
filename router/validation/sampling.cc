#include "router/validation/sampling.h"

#include <algorithm>

#include "router/validation/field_error.h"

namespace triptych::router {
namespace {

Status CheckProbabilities(const v1::Sampling& sampling) {
  if (sampling.temperature() != 0) {
    TRIPTYCH_RETURN_IF_ERROR(CheckRange(
        "sampling.temperature", sampling.temperature(), kMinTemperature, kMaxTemperature));
  }
  TRIPTYCH_RETURN_IF_ERROR(CheckRange("sampling.top_p", sampling.top_p(), 0, 1));
  return CheckRange("sampling.min_p", sampling.min_p(), 0, 1);
}

Status CheckPenalties(const v1::Sampling& sampling) {
  if (sampling.repetition_penalty() != 0) {
    TRIPTYCH_RETURN_IF_ERROR(CheckRange("sampling.repetition_penalty",
                                        sampling.repetition_penalty(),
                                        1 / kMaxPenalty,
                                        kMaxPenalty));
  }
  TRIPTYCH_RETURN_IF_ERROR(CheckRange(
      "sampling.presence_penalty", sampling.presence_penalty(), -kMaxPenalty, kMaxPenalty));
  TRIPTYCH_RETURN_IF_ERROR(CheckRange(
      "sampling.frequency_penalty", sampling.frequency_penalty(), -kMaxPenalty, kMaxPenalty));
  return CheckRange("sampling.length_penalty",
                    sampling.length_penalty(),
                    -kMaxLengthPenalty,
                    kMaxLengthPenalty);
}

Status CheckSequences(const v1::Sampling& sampling, const RequestLimits& limits) {
  TRIPTYCH_RETURN_IF_ERROR(CheckCount("sampling.n", sampling.n(), limits.max_sequences));
  TRIPTYCH_RETURN_IF_ERROR(
      CheckCount("sampling.num_beams", sampling.num_beams(), limits.max_beams));
  if (sampling.num_beams() <= 1) return OkStatus();
  if (sampling.temperature() != 0) {
    return BadField("CONTRADICTION",
                    "sampling.temperature",
                    "beam search does not sample: temperature must be 0 with num_beams {}",
                    sampling.num_beams());
  }
  if (sampling.n() > sampling.num_beams()) {
    return BadField("CONTRADICTION",
                    "sampling.n",
                    "at most num_beams sequences can be returned: n is {}, num_beams {}",
                    sampling.n(),
                    sampling.num_beams());
  }
  return OkStatus();
}

Status CheckLogitBias(const v1::Sampling& sampling,
                      int32_t vocab_size,
                      const RequestLimits& limits) {
  TRIPTYCH_RETURN_IF_ERROR(
      CheckCount("sampling.logit_bias", sampling.logit_bias_size(), limits.max_logit_bias));
  for (const auto& [id, bias] : sampling.logit_bias()) {
    if (id >= static_cast<uint32_t>(vocab_size)) {
      return BadField("TOKEN_ID",
                      "sampling.logit_bias",
                      "token ids lie below {}, got {}",
                      vocab_size,
                      id);
    }
    TRIPTYCH_RETURN_IF_ERROR(
        CheckRange("sampling.logit_bias", bias, -kMaxLogitBias, kMaxLogitBias));
  }
  return OkStatus();
}

}  // namespace

StatusOr<v1::Sampling> CheckSampling(const v1::Sampling& sampling,
                                     int32_t vocab_size,
                                     const RequestLimits& limits) {
  TRIPTYCH_RETURN_IF_ERROR(CheckProbabilities(sampling));
  TRIPTYCH_RETURN_IF_ERROR(CheckPenalties(sampling));
  TRIPTYCH_RETURN_IF_ERROR(CheckSequences(sampling, limits));
  TRIPTYCH_RETURN_IF_ERROR(CheckLogitBias(sampling, vocab_size, limits));
  v1::Sampling checked = sampling;
  checked.set_n(std::max(1u, sampling.n()));
  checked.set_num_beams(std::max(1u, sampling.num_beams()));
  if (sampling.top_k() >= static_cast<uint32_t>(vocab_size)) checked.set_top_k(0);
  return checked;
}

}  // namespace triptych::router
