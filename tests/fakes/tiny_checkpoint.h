#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

namespace triptych::fakes {

// Sizes of a random InternLM-XComposer2 small enough to run thousands of steps in a test.
struct TinyCheckpointOptions {
  int64_t hidden = 32;
  int64_t intermediate = 48;
  int64_t num_layers = 2;
  int64_t num_heads = 4;
  int64_t num_kv_heads = 2;
  int64_t vocab = 61;  // no multiple of any number of ranks
  int64_t plora_rank = 6;
  int64_t max_position_embeddings = 64;
  std::string rope_scaling = R"({"type":"dynamic","factor":2.0})";
  int64_t vision_hidden = 16;
  int64_t image_size = 28;  // four patches of 14
  at::ScalarType dtype = at::kBFloat16;
  uint64_t seed = 1;
};

using CheckpointTensors = std::map<std::string, at::Tensor>;

// The whole checkpoint, language model and vision tower, under the published names. A function of
// the options: the same on every machine.
CheckpointTensors TinyTensors(const TinyCheckpointOptions& options);
std::string TinyConfig(const TinyCheckpointOptions& options);  // config.json

// Writes config.json and model.safetensors into an existing folder. There is no tokenizer.
void WriteCheckpoint(const std::string& dir,
                     const std::string& config,
                     const CheckpointTensors& tensors);
void WriteTinyCheckpoint(const std::string& dir, const TinyCheckpointOptions& options);

}  // namespace triptych::fakes
