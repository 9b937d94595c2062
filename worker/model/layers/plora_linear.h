#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/model/layers/projection.h"
#include "worker/model/layers/tp_linear.h"

namespace triptych::model::layers {

// A linear layer with Partial LoRA: y = W x + b, and on picture rows alone + s B(A(x)). Reads
// `name`.Plora_A.weight [r, in] and `name`.Plora_B.weight [out, r]; r is found in their shapes, s
// is 2 when r is 8 and 1 otherwise (it is stored nowhere).
class PloraLinear final : public Projection {
 public:
  // Output features split by stored rows: A on every rank, B split as W.
  static StatusOr<PloraLinear> LoadColumn(const weights::WeightLoader& loader,
                                          const LinearSpec& spec,
                                          const std::vector<Range>& rows,
                                          const RankContext& context);
  // Input features split by stored columns: A split as W, B on every rank; the sum over ranks is
  // taken once, behind both.
  static StatusOr<PloraLinear> LoadRow(const weights::WeightLoader& loader,
                                       const LinearSpec& spec,
                                       Range columns,
                                       const RankContext& context);

  // [n, in] -> [n, out]: this rank's features after LoadColumn, the sum over ranks after LoadRow.
  // Only `image_runs` pay for the low-rank part.
  at::Tensor Forward(const at::Tensor& x, const std::vector<RowRun>& image_runs) const override;

 private:
  PloraLinear(TpLinear base, TpLinear a, TpLinear b, double scale, comm::Communicator* reduce);

  TpLinear base_;
  TpLinear a_;
  TpLinear b_;
  double scale_;
  comm::Communicator* reduce_;  // null when nothing is to be summed
};

}  // namespace triptych::model::layers
