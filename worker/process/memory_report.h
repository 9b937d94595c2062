#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "worker/process/config.h"

namespace triptych::worker {

// What a process's ranks and its encoder would hold once loaded, in bytes.
struct MemoryReport {
  struct Rank {
    int32_t rank = 0;
    int64_t weight_bytes = 0;
    int64_t kv_bytes = 0;
  };
  std::vector<Rank> ranks;               // of a decoder
  std::optional<int64_t> encoder_bytes;  // weights of an encoder
};

// Loads the configured roles from config.json alone, with tensors that have shapes and no data:
// what is counted is what loading allocates and keeps, repacked for the device's kernels. Weights
// are bfloat16, as dummies are. Of CUDA no device is needed. kFailedPrecondition names file and
// key. Before other threads are started.
StatusOr<MemoryReport> MeasureMemory(const WorkerConfig& config);

// The same in lines for --print-memory.
StatusOr<std::string> DescribeMemory(const WorkerConfig& config);

}  // namespace triptych::worker
