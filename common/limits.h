#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

// The one table of limits. Each is enforced before any allocation or arithmetic that depends on the number it bounds, and its
// error names what was given and what is allowed. Operators change those of `RequestLimits` in the router's YAML.
namespace triptych {

struct RequestLimits {
  int32_t max_images = 16;
  int64_t max_image_bytes = 20ll << 20;       // one encoded file
  int64_t max_image_pixels = 40'000'000;      // width * height, from the header
  int32_t max_image_side = 16384;
  int32_t max_image_aspect = 200;             // longer side over shorter side
  int32_t max_messages = 512;
  int64_t max_text_bytes = 2ll << 20;         // all text of one prompt
  int32_t max_prompt_ids = 1 << 20;           // of a TokenPrompt, before the model's own context
  int32_t max_stop_strings = 8;
  int32_t max_stop_string_bytes = 64;
  int32_t max_stop_token_ids = 64;
  int32_t max_sequences = 8;                  // n
  int32_t max_beams = 16;
  int32_t max_top_logprobs = 20;
  int32_t max_logit_bias = 1024;
  int32_t max_choices = 256;
  int32_t max_choice_bytes = 1024;            // one choice
  int32_t max_request_id_bytes = 128;
};

inline constexpr int kMaxGrpcMessageBytes = 32 << 20;
inline constexpr int kMaxJpegScans = 100;
inline constexpr int64_t kMaxUnsentBytesPerStream = 64 << 10;   // then the producer pauses or the stream is dropped
inline constexpr std::chrono::seconds kSlowReaderGrace{30};
inline constexpr int kMaxStreamsPerConnection = 100;
inline constexpr std::chrono::milliseconds kKeepalivePing{1000};
inline constexpr std::chrono::milliseconds kKeepaliveAck{1000};
inline constexpr std::chrono::milliseconds kKeepaliveServerMinimum{500};
inline constexpr std::chrono::milliseconds kClientKeepalivePing{20'000};   // of clients' connections, and only while they have calls
inline constexpr std::chrono::milliseconds kClientKeepaliveAck{20'000};
inline constexpr std::chrono::milliseconds kLeaseTtl{2000};     // renewed at half of what is left, jittered
inline constexpr std::chrono::milliseconds kCollectiveStall{2000};
inline constexpr std::chrono::milliseconds kStepStall{5000};
inline constexpr std::chrono::seconds kEmbeddingPin{30};
inline constexpr int kMaxReplaysPerRequest = 3;
inline constexpr int kMaxDeathsPerRequest = 2;                  // a third worker is never tried
inline constexpr int kMaxMetricLabelValues = 1000;              // then "other"

}  // namespace triptych
