#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/kernels/linear.h"
#include "worker/model/layers/rank_context.h"
#include "worker/model/layers/row_run.h"
#include "worker/weights/weight_loader.h"

namespace triptych::model::layers {

// A table over the vocabulary, [vocab, hidden], of which each rank holds an equal slice of ids; the
// last slices are padded with zero rows where the ranks do not divide the vocabulary.
struct VocabSpec {
  std::string name;  // of the stored tensor
  int64_t vocab = 0;
  int64_t hidden = 0;
};

// Token ids and picture rows to activations.
class VocabEmbedding {
 public:
  static StatusOr<VocabEmbedding> Load(const weights::WeightLoader& loader,
                                       const VocabSpec& spec,
                                       const RankContext& context);

  // ids [n] int32 with `image_rows` [images, hidden] put where `image_runs` are -> [n, hidden].
  // Picture rows are needed on rank 0 only: the sum over ranks, in which the others have zeros
  // there, brings them to all.
  at::Tensor Forward(const at::Tensor& ids,
                     const at::Tensor& image_rows,
                     const std::vector<RowRun>& image_runs) const;

 private:
  VocabEmbedding(at::Tensor table, int64_t first_id, const RankContext& context);

  at::Tensor table_;  // [ids of this rank, hidden]
  int64_t first_id_;
  RankContext context_;
};

// Activations to logits.
class VocabOutput {
 public:
  static StatusOr<VocabOutput> Load(const weights::WeightLoader& loader,
                                    const VocabSpec& spec,
                                    const RankContext& context);

  at::Tensor Forward(const at::Tensor& x) const;  // [n, hidden] -> [n, vocab] float32 on every rank

 private:
  VocabOutput(kernels::PackedLinear packed, int64_t vocab, const RankContext& context);

  kernels::PackedLinear packed_;
  int64_t vocab_;
  RankContext context_;
};

}  // namespace triptych::model::layers
