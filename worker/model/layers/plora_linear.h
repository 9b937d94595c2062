#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/model/layers/projection.h"
#include "worker/model/layers/tp_linear.h"

namespace triptych::model::layers {

// For each adapter, by its number, the low-rank pairs that it adds; 0 is the model without one.
using AdapterPairs = std::vector<std::vector<std::string>>;

struct PloraSpec {
  LinearSpec base;
  AdapterPairs adapters;
};

// A linear layer with Partial LoRA: y = W x + b, and on picture rows alone + s B(A(x)). Reads
// `name`.Plora_A.weight [r, in] and `name`.Plora_B.weight [out, r]; r is found in their shapes, s
// is 2 when r is 8 and 1 otherwise (it is stored nowhere).
//
// Adapters are further pairs, `name`.PAIR_A.weight and `name`.PAIR_B.weight, of any rank and scale
// 1, for all rows of the sequences that use one. Base weights are there once; sequences of
// different adapters share a step, and no row sees what the others use.
class PloraLinear final : public Projection {
 public:
  // Output features split by stored rows: A on every rank, B split as W.
  static StatusOr<PloraLinear> LoadColumn(const weights::WeightLoader& loader,
                                          const PloraSpec& spec,
                                          const std::vector<Range>& rows,
                                          const RankContext& context);
  // Input features split by stored columns: A split as W, B on every rank; the sum over ranks is
  // taken once, behind all of them.
  static StatusOr<PloraLinear> LoadRow(const weights::WeightLoader& loader,
                                       const PloraSpec& spec,
                                       Range columns,
                                       const RankContext& context);

  // [n, in] -> [n, out]: this rank's features after LoadColumn, the sum over ranks after LoadRow.
  // Only rows in `low_rank` pay for a low-rank part.
  at::Tensor Forward(const at::Tensor& x, const LowRankRows& low_rank) const override;

 private:
  struct Pair {
    void AddTo(at::Tensor& y, const at::Tensor& x, RowRun run) const;

    TpLinear a;
    TpLinear b;
    double scale;
  };
  template <typename LoadPair>
  static StatusOr<PloraLinear> Assemble(TpLinear base,
                                        const PloraSpec& spec,
                                        comm::Communicator* reduce,
                                        const LoadPair& load_pair);
  PloraLinear(TpLinear base,
              Pair plora,
              std::vector<std::vector<Pair>> adapters,
              comm::Communicator* reduce);

  TpLinear base_;
  Pair plora_;
  std::vector<std::vector<Pair>> adapters_;  // by number
  comm::Communicator* reduce_;               // null when nothing is to be summed
};

}  // namespace triptych::model::layers
