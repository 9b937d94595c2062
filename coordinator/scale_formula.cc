#include "coordinator/scale_formula.h"

#include <algorithm>
#include <numeric>

namespace triptych::coordinator {
namespace {

template <typename Work>
double Sum(std::span<const Work> workers, double Work::*field) {
  return std::accumulate(
      workers.begin(), workers.end(), 0.0, [field](double sum, const Work& worker) {
        return sum + worker.*field;
      });
}

// The mean over those workers that know it; 0 when none does.
template <typename Work>
double MeanKnown(std::span<const Work> workers, double Work::*field) {
  const auto known =
      std::ranges::count_if(workers, [field](const Work& worker) { return worker.*field > 0; });
  return known == 0 ? 0 : Sum(workers, field) / static_cast<double>(known);
}

// Demand over a mean worker's capacity; 0 where that is not known.
double Worth(double demand, double mean_capacity) {
  return mean_capacity > 0 ? demand / mean_capacity : 0;
}

}  // namespace

std::optional<double> EncodersWorth(std::span<const EncoderWork> encoders, double admitted_share) {
  if (encoders.empty()) return std::nullopt;
  const double mean_rate = MeanKnown(encoders, &EncoderWork::tiles_per_second);
  if (mean_rate == 0) return Sum(encoders, &EncoderWork::busy_share);
  double arriving = 0;  // tiles per second: what they run of late
  for (const EncoderWork& encoder : encoders) {
    arriving +=
        encoder.busy_share * (encoder.tiles_per_second > 0 ? encoder.tiles_per_second : mean_rate);
  }
  const double backlog =
      Sum(encoders, &EncoderWork::waiting_tiles) * std::clamp(admitted_share, 0.0, 1.0);
  return (arriving + backlog / static_cast<double>(kBacklogTime.count())) / mean_rate;
}

std::optional<double> DecodersWorth(std::span<const DecoderWork> decoders,
                                    double encoding_pictures) {
  if (decoders.empty()) return std::nullopt;
  const double encoding = std::min(Sum(decoders, &DecoderWork::waiting), encoding_pictures);
  const double sequences = Worth(Sum(decoders, &DecoderWork::sequences) - encoding,
                                 MeanKnown(decoders, &DecoderWork::max_sequences));
  const double blocks = Worth(Sum(decoders, &DecoderWork::used_blocks),
                              MeanKnown(decoders, &DecoderWork::num_blocks));
  const double tokens = Worth(Sum(decoders, &DecoderWork::tokens_per_second),
                              MeanKnown(decoders, &DecoderWork::full_tokens_per_second));
  return std::max({sequences, blocks, tokens});
}

}  // namespace triptych::coordinator
