#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "common/string_map.h"
#include "worker/weights/checkpoint_files.h"
#include "worker/weights/slice.h"

namespace triptych::weights {

// Reads a checkpoint's tensors, each rank only its slices (memory-mapped: other bytes are not
// touched). Immutable, thread-safe.
class WeightLoader {
 public:
  virtual ~WeightLoader() = default;
  // The stored dtype (bfloat16, float16 or float32), on the CPU, contiguous. `shape` is what the
  // caller expects of the whole stored tensor: kFailedPrecondition names the tensor, the file, what
  // was found and what was wanted, also when it is missing.
  virtual StatusOr<at::Tensor> Load(std::string_view name,
                                    const std::vector<int64_t>& shape,
                                    Slice slice) const = 0;
  // The same of whole numbers, as quantised weights are stored: int32, int8 or uint8.
  virtual StatusOr<at::Tensor> LoadIntegers(std::string_view name,
                                            const std::vector<int64_t>& shape,
                                            Slice slice) const = 0;
  virtual bool Has(std::string_view name) const = 0;
  // The whole stored shape, for what is read from shapes (LoRA ranks, position tables).
  virtual StatusOr<std::vector<int64_t>> Shape(std::string_view name) const = 0;
  virtual std::vector<std::string> Names() const = 0;
  // Of the whole tensor in its file; 0 when there is none.
  virtual int64_t StoredBytes(std::string_view name) const = 0;
};

// Opens the checkpoint of a folder (see FindCheckpointFiles for which files that is). Checks all
// headers and that index and shards agree; reads no weights. kFailedPrecondition names file and
// tensor.
StatusOr<std::unique_ptr<WeightLoader>> LoadCheckpoint(
    const std::string& dir, CheckpointFormat format = CheckpointFormat::kAny);

// An error that names a tensor which nobody reads: not in `used`, under none of the `foreign`
// prefixes (parts that another role reads and checks) and not among those that published
// checkpoints carry for nothing.
Status CheckNoExtra(const WeightLoader& loader,
                    const StringSet& used,
                    const std::vector<std::string>& foreign = {});

}  // namespace triptych::weights
