#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/kernels/linear.h"
#include "worker/kernels/quantized_linear.h"
#include "worker/model/layers/range.h"
#include "worker/model/layers/rank_context.h"
#include "worker/weights/weight_loader.h"

namespace triptych::model::layers {

// A linear layer as the checkpoint stores it: `name`.weight [out, in], and `name`.bias [out]; or,
// where the checkpoint is quantised, as quantization/layer_source.h says under `name` or
// `name`.linear, with a bias wherever one is stored.
struct LinearSpec {
  std::string name;
  int64_t in = 0;
  int64_t out = 0;
  bool has_bias = false;
};

// Rows of a stored layer.
struct LinearRows {
  LinearSpec spec;
  Range rows;
};

// One rank's part of y = x W^T + b, in whole numbers where the context's scheme or the checkpoint
// has it so. Immutable once loaded.
class TpLinear {
 public:
  // Output features split: this rank has the stored rows of `rows`, in that order.
  static StatusOr<TpLinear> LoadColumn(const weights::WeightLoader& loader,
                                       const LinearSpec& spec,
                                       const std::vector<Range>& rows,
                                       const RankContext& context);
  // The same of several stored layers of one input, which are quantised all or none and, unless
  // quantised in the checkpoint, have biases all or none.
  static StatusOr<TpLinear> LoadJoined(const weights::WeightLoader& loader,
                                       const std::vector<LinearRows>& parts,
                                       const RankContext& context);
  // Input features split: this rank has the stored `columns`, and Forward gives its summand (rank
  // 0's has the bias).
  static StatusOr<TpLinear> LoadRow(const weights::WeightLoader& loader,
                                    const LinearSpec& spec,
                                    Range columns,
                                    const RankContext& context);
  // The same on every rank.
  static StatusOr<TpLinear> LoadReplicated(const weights::WeightLoader& loader,
                                           const LinearSpec& spec,
                                           const RankContext& context);

  at::Tensor Forward(const at::Tensor& x) const;  // [n, in] -> [n, out]

 private:
  using Packed = std::variant<kernels::PackedLinear, kernels::QuantizedLinear>;
  explicit TpLinear(std::vector<Packed> packed) : packed_(std::move(packed)) {}

  static StatusOr<TpLinear> LoadQuantized(const weights::WeightLoader& loader,
                                          const std::vector<LinearRows>& parts,
                                          const RankContext& context);

  std::vector<Packed> packed_;  // their outputs stand side by side
};

// A stored tensor in a form that kernels take: bfloat16 stays on the CPU, float16 becomes float32.
StatusOr<at::Tensor> LoadWeight(const weights::WeightLoader& loader,
                                const std::string& name,
                                const std::vector<int64_t>& shape,
                                weights::Slice slice,
                                const RankContext& context);
// A norm's weight, in the activations' dtype.
StatusOr<at::Tensor> LoadVector(const weights::WeightLoader& loader,
                                const std::string& name,
                                int64_t size,
                                const RankContext& context);

}  // namespace triptych::model::layers
