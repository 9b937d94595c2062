#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/status.h"
#include "common/string_map.h"
#include "worker/kernels/linear.h"
#include "worker/weights/weight_loader.h"

namespace triptych::model::internlm_xcomposer {

// Which linear layers have a low-rank pair beside them: `layer`.lora_A.weight [rank, in] and
// `layer`.lora_B.weight [out, rank].
struct LoraSpec {
  StringSet layers;
  int64_t rank = 0;
  double scale = 1;
  at::Device device = at::kCPU;  // where pairs are multiplied
};

// Passes on another loader's tensors, with the low-rank pairs of some layers (LoRA, arXiv
// 2106.09685) folded into their weights: W + s B A in float32, on the spec's device. The pairs
// themselves are not among its names. Of a slice only what it needs is read; on the CPU each
// element is one chain of sums in an order of its own (kernels::PackedLinear), so that no bit hangs
// on how ranks share the layer. Thread-safe.
class LoraLoader final : public weights::WeightLoader {
 public:
  LoraLoader(const weights::WeightLoader* loader, LoraSpec spec);  // which outlives it

  StatusOr<at::Tensor> Load(std::string_view name,
                            const std::vector<int64_t>& shape,
                            weights::Slice slice) const override;
  StatusOr<at::Tensor> LoadIntegers(std::string_view name,
                                    const std::vector<int64_t>& shape,
                                    weights::Slice slice) const override {
    return loader_.LoadIntegers(name, shape, slice);
  }
  bool Has(std::string_view name) const override { return loader_.Has(name); }
  StatusOr<std::vector<int64_t>> Shape(std::string_view name) const override {
    return loader_.Shape(name);
  }
  std::vector<std::string> Names() const override;
  int64_t StoredBytes(std::string_view name) const override { return loader_.StoredBytes(name); }

 private:
  // The layer whose weight `name` is, where it has a pair; else empty.
  std::string_view LayerWithPair(std::string_view name) const;
  StatusOr<kernels::PackedLinear> LoadA(const std::string& layer,
                                        int64_t in,
                                        weights::Slice columns) const;

  const weights::WeightLoader& loader_;
  const LoraSpec spec_;
  // The last A that was read whole: a rank reads the rows of a layer in many parts.
  mutable absl::Mutex mutex_;
  mutable std::string last_layer_ ABSL_GUARDED_BY(mutex_);
  mutable kernels::PackedLinear last_a_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace triptych::model::internlm_xcomposer
