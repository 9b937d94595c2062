#pragma once

#include <chrono>
#include <optional>
#include <span>

namespace triptych::coordinator {

// How many workers a pool's work is worth; docs/scaling.md derives the formula. The results are
// sums over the pool, not shares of it: they do not hang on how many workers there are, and 2.5
// means that two and a half workers, each as fast as the mean of these, would be just full. Pure
// functions.

// A backlog of tiles is to be worked off in so long.
inline constexpr std::chrono::seconds kBacklogTime{10};

// One encoder that is ready.
struct EncoderWork {
  double busy_share = 0;        // of the last half minute, 0 to 1
  double tiles_per_second = 0;  // while it is busy, as learned; 0: not learned yet
  double waiting_tiles = 0;     // prepared, not yet run
};

// `admitted_share` of the waiting tiles, 0 to 1, is for requests that a decoder has room for; the
// others would wait there anyway. Nothing for no encoders: then nobody knows.
std::optional<double> EncodersWorth(std::span<const EncoderWork> encoders, double admitted_share);

// One decoder (shard group) that is ready.
struct DecoderWork {
  double sequences = 0;      // running and waiting; also those whose pictures are at an encoder
  double waiting = 0;        // of these
  double max_sequences = 1;  // that run at once
  double used_blocks = 0;
  double num_blocks = 1;
  double tokens_per_second = 0;       // output, now
  double full_tokens_per_second = 0;  // output of a full decoder, as learned; 0: not learned yet
};

// The scarcest of sequences, KV blocks and output tokens. Sequences whose pictures are among the
// `encoding_pictures`, those at encoders now, do not count: no decoder could make them faster.
// Nothing for no decoders.
std::optional<double> DecodersWorth(std::span<const DecoderWork> decoders,
                                    double encoding_pictures);

}  // namespace triptych::coordinator
