#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "cli/access.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::cli {

// The flags that `generate` and `chat` share: where to ask, and how to sample and stop.
struct RequestFlags {
  std::string router = "127.0.0.1:7071";
  std::string model;
  double timeout_seconds = 0;
  std::optional<uint64_t> seed;
  uint32_t max_tiles = 0;
  AccessFlags access;

  void AddTo(CLI::App& command);
  void ApplyTo(v1::GenerateRequest& request) const;

 private:
  float temperature_ = 0, top_p_ = 0, min_p_ = 0, repetition_ = 0, presence_ = 0, frequency_ = 0, length_ = 0;
  uint32_t top_k_ = 0, num_beams_ = 0, n_ = 0, max_new_tokens_ = 0, min_new_tokens_ = 0;
  std::vector<std::string> stop_;
  std::string adapter_;
  bool ignore_eos_ = false;
};

}  // namespace triptych::cli
