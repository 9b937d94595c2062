#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/config/endpoint.h"
#include "common/status.h"
#include "common/tls/tls_files.h"

namespace triptych::worker {

// A worker process's configuration: defaults here, YAML over them, flags over that. Validated before anything starts.
struct WorkerConfig {
  std::string name;                          // worker id, stable over restarts; empty: its address
  std::vector<std::string> roles = {"decoder"};  // encoder, decoder
  std::string model;                         // checkpoint folder
  std::string model_name;                    // as clients name it; empty: the folder's name
  Endpoint coordinator{"127.0.0.1", 7070};
  Endpoint listen{"127.0.0.1", 7072};        // gRPC; port 0 takes a free one
  Endpoint metrics_listen{"127.0.0.1", 9072};
  std::string advertise;                     // host that others reach this worker by; empty: the one it listens on
  std::string load_format = "auto";          // auto, safetensors, torch, dummy: see docs/checkpoints.md
  std::string weights = "stored";            // of decoders' linear layers: stored, int8, int4 (made from the stored ones)
  std::string device = "cpu";                // cpu, cuda
  std::string dtype = "auto";                // of activations: float32, on cuda also bfloat16; auto: float32 on cpu, bfloat16 on cuda
  int32_t tensor_parallel = 1;               // ranks of the shard group: 1 to the model's query heads
  std::string group;                         // shard group; empty: this process alone
  int32_t first_rank = 0;                    // ranks [first_rank, first_rank + num_ranks) are held here
  int32_t num_ranks = 0;                     // 0: all
  int32_t threads_per_rank = 0;              // 0: this machine's cores shared out over the ranks held here
  int32_t kv_blocks = 512;                   // of kBlockTokens tokens
  int32_t max_sequences = 64;
  int32_t max_step_tokens = 512;
  int32_t max_chunk_tokens = 256;
  int32_t max_waiting = 1024;
  bool prefix_cache = true;
  int64_t embedding_cache_bytes = 256ll << 20;
  int32_t max_batch_tiles = 8;
  int32_t prepare_threads = 1;               // encoders: decoding and preprocessing of pictures
  int32_t max_waiting_images = 256;          // encoders
  std::chrono::milliseconds step_stall{5000};       // a step without progress for so long fails the shard group
  std::chrono::milliseconds drain_deadline{30000};
  TlsFiles tls;                              // of all internal connections over gRPC
  std::string log_format = "text";           // text, json

  bool has_role(std::string_view role) const;
};

// Reads a file over `config`; the error names file, line and key.
Status ReadWorkerConfig(const std::string& path, WorkerConfig& config);
// Rules over several fields, after flags; fills what is derived (num_ranks, group, model_name).
Status FinishWorkerConfig(WorkerConfig& config);
std::string PrintWorkerConfig(const WorkerConfig& config);  // YAML that reads back

}  // namespace triptych::worker
