#include "worker/model/layers/plora_linear.h"

#include <utility>

namespace triptych::model::layers {
namespace {

constexpr int64_t kScaledRank = 8;

struct LowRank {
  LinearSpec a;
  LinearSpec b;
  double scale = 1;
};

StatusOr<LowRank> FindLowRank(const weights::WeightLoader& loader, const LinearSpec& spec) {
  const std::string name = spec.name + ".Plora_A";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<int64_t> shape, loader.Shape(name + ".weight"));
  const int64_t rank = shape.empty() ? 1 : shape.front();
  return LowRank{.a = {.name = name, .in = spec.in, .out = rank},
                 .b = {.name = spec.name + ".Plora_B", .in = rank, .out = spec.out},
                 .scale = rank == kScaledRank ? 2.0 : 1.0};
}

}  // namespace

PloraLinear::PloraLinear(
    TpLinear base, TpLinear a, TpLinear b, double scale, comm::Communicator* reduce)
    : base_(std::move(base)), a_(std::move(a)), b_(std::move(b)), scale_(scale), reduce_(reduce) {}

StatusOr<PloraLinear> PloraLinear::LoadColumn(const weights::WeightLoader& loader,
                                              const LinearSpec& spec,
                                              const std::vector<Range>& rows,
                                              const RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const LowRank low, FindLowRank(loader, spec));
  TRIPTYCH_ASSIGN_OR_RETURN(TpLinear base, TpLinear::LoadColumn(loader, spec, rows, context));
  TRIPTYCH_ASSIGN_OR_RETURN(TpLinear a, TpLinear::LoadReplicated(loader, low.a, context));
  TRIPTYCH_ASSIGN_OR_RETURN(TpLinear b, TpLinear::LoadColumn(loader, low.b, rows, context));
  return PloraLinear(std::move(base), std::move(a), std::move(b), low.scale, /*reduce=*/nullptr);
}

StatusOr<PloraLinear> PloraLinear::LoadRow(const weights::WeightLoader& loader,
                                           const LinearSpec& spec,
                                           Range columns,
                                           const RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const LowRank low, FindLowRank(loader, spec));
  TRIPTYCH_ASSIGN_OR_RETURN(TpLinear base, TpLinear::LoadRow(loader, spec, columns, context));
  TRIPTYCH_ASSIGN_OR_RETURN(TpLinear a, TpLinear::LoadRow(loader, low.a, columns, context));
  TRIPTYCH_ASSIGN_OR_RETURN(TpLinear b, TpLinear::LoadReplicated(loader, low.b, context));
  return PloraLinear(std::move(base), std::move(a), std::move(b), low.scale, context.communicator);
}

at::Tensor PloraLinear::Forward(const at::Tensor& x, const std::vector<RowRun>& image_runs) const {
  at::Tensor y = base_.Forward(x);
  for (const RowRun& run : image_runs) {
    const at::Tensor low = a_.Forward(x.narrow(0, run.begin, run.count));
    y.narrow(0, run.begin, run.count).add_(b_.Forward(low), scale_);
  }
  if (reduce_ != nullptr) reduce_->AllReduceSum(y);
  return y;
}

}  // namespace triptych::model::layers
