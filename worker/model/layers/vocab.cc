#include "worker/model/layers/vocab.h"

#include <algorithm>
#include <utility>

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include "worker/kernels/embedding.h"
#include "worker/model/layers/tp_linear.h"

namespace triptych::model::layers {
namespace {

int64_t IdsPerRank(const VocabSpec& spec, const RankContext& context) {
  return (spec.vocab + context.size() - 1) / context.size();
}

// This rank's slice, always IdsPerRank rows: behind the vocabulary's end they are zero.
StatusOr<at::Tensor> LoadSlice(const weights::WeightLoader& loader,
                               const VocabSpec& spec,
                               const RankContext& context) {
  const int64_t wanted = IdsPerRank(spec, context);
  const int64_t begin = std::min(spec.vocab, context.rank() * wanted);
  const int64_t end = std::min(spec.vocab, begin + wanted);
  if (begin == end) {
    return at::zeros({wanted, spec.hidden}, at::device(context.device).dtype(context.dtype));
  }
  TRIPTYCH_ASSIGN_OR_RETURN(
      const at::Tensor part,
      LoadWeight(loader, spec.name, {spec.vocab, spec.hidden}, {0, begin, end}, context));
  if (end - begin == wanted) return part;
  return at::cat({part, at::zeros({wanted - (end - begin), spec.hidden}, part.options())});
}

}  // namespace

VocabEmbedding::VocabEmbedding(at::Tensor table, int64_t first_id, const RankContext& context)
    : table_(std::move(table)), first_id_(first_id), context_(context) {}

StatusOr<VocabEmbedding> VocabEmbedding::Load(const weights::WeightLoader& loader,
                                              const VocabSpec& spec,
                                              const RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(at::Tensor table, LoadSlice(loader, spec, context));
  return VocabEmbedding(std::move(table), context.rank() * IdsPerRank(spec, context), context);
}

at::Tensor VocabEmbedding::Forward(const at::Tensor& ids,
                                   const at::Tensor& image_rows,
                                   const std::vector<RowRun>& image_runs) const {
  at::Tensor x = kernels::EmbeddingLookup(table_, ids, first_id_);
  if (context_.rank() == 0) {
    int64_t used = 0;
    for (const RowRun& run : image_runs) {
      x.narrow(0, run.begin, run.count).copy_(image_rows.narrow(0, used, run.count));
      used += run.count;
    }
  }
  context_.communicator->AllReduceSum(x);
  return x;
}

VocabOutput::VocabOutput(kernels::PackedLinear packed, int64_t vocab, const RankContext& context)
    : packed_(std::move(packed)), vocab_(vocab), context_(context) {}

StatusOr<VocabOutput> VocabOutput::Load(const weights::WeightLoader& loader,
                                        const VocabSpec& spec,
                                        const RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor slice, LoadSlice(loader, spec, context));
  return VocabOutput(
      kernels::PackedLinear::Pack(slice, std::nullopt, context.device), spec.vocab, context);
}

at::Tensor VocabOutput::Forward(const at::Tensor& x) const {
  const at::Tensor all = context_.communicator->AllGather(packed_.Forward(x));
  return all.narrow(1, 0, vocab_).to(at::kFloat).contiguous();
}

}  // namespace triptych::model::layers
