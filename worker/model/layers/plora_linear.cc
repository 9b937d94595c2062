#include "worker/model/layers/plora_linear.h"

#include <utility>

namespace triptych::model::layers {
namespace {

constexpr const char* kPlora = "Plora";
constexpr int64_t kScaledRank = 8;

struct LowRank {
  LinearSpec a;
  LinearSpec b;
  double scale = 1;
};

StatusOr<LowRank> FindLowRank(const weights::WeightLoader& loader,
                              const LinearSpec& spec,
                              const std::string& pair) {
  const std::string name = fmt::format("{}.{}", spec.name, pair);
  TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<int64_t> shape, loader.Shape(name + "_A.weight"));
  const int64_t rank = shape.empty() ? 1 : shape.front();
  return LowRank{.a = {.name = name + "_A", .in = spec.in, .out = rank},
                 .b = {.name = name + "_B", .in = rank, .out = spec.out},
                 .scale = pair == kPlora && rank == kScaledRank ? 2.0 : 1.0};
}

// Pairs are small, and stay in floating point whatever is done with the layer that they belong to.
RankContext OfPairs(RankContext context) {
  context.quantization = {};
  return context;
}

}  // namespace

void PloraLinear::Pair::AddTo(at::Tensor& y, const at::Tensor& x, RowRun run) const {
  const at::Tensor low = a.Forward(x.narrow(0, run.begin, run.count));
  y.narrow(0, run.begin, run.count).add_(b.Forward(low), scale);
}

PloraLinear::PloraLinear(TpLinear base,
                         Pair plora,
                         std::vector<std::vector<Pair>> adapters,
                         comm::Communicator* reduce)
    : base_(std::move(base)),
      plora_(std::move(plora)),
      adapters_(std::move(adapters)),
      reduce_(reduce) {}

template <typename LoadPair>
StatusOr<PloraLinear> PloraLinear::Assemble(TpLinear base,
                                            const PloraSpec& spec,
                                            comm::Communicator* reduce,
                                            const LoadPair& load_pair) {
  TRIPTYCH_ASSIGN_OR_RETURN(Pair plora, load_pair(kPlora));
  std::vector<std::vector<Pair>> adapters(spec.adapters.size());
  for (size_t i = 0; i < adapters.size(); ++i) {
    for (const std::string& name : spec.adapters[i]) {
      TRIPTYCH_ASSIGN_OR_RETURN(Pair pair, load_pair(name));
      adapters[i].push_back(std::move(pair));
    }
  }
  return PloraLinear(std::move(base), std::move(plora), std::move(adapters), reduce);
}

StatusOr<PloraLinear> PloraLinear::LoadColumn(const weights::WeightLoader& loader,
                                              const PloraSpec& spec,
                                              const std::vector<Range>& rows,
                                              const RankContext& context) {
  const RankContext of_pairs = OfPairs(context);
  const auto load_pair = [&](const std::string& name) -> StatusOr<Pair> {
    TRIPTYCH_ASSIGN_OR_RETURN(const LowRank low, FindLowRank(loader, spec.base, name));
    TRIPTYCH_ASSIGN_OR_RETURN(TpLinear a, TpLinear::LoadReplicated(loader, low.a, of_pairs));
    TRIPTYCH_ASSIGN_OR_RETURN(TpLinear b, TpLinear::LoadColumn(loader, low.b, rows, of_pairs));
    return Pair{std::move(a), std::move(b), low.scale};
  };
  TRIPTYCH_ASSIGN_OR_RETURN(TpLinear base, TpLinear::LoadColumn(loader, spec.base, rows, context));
  return Assemble(std::move(base), spec, /*reduce=*/nullptr, load_pair);
}

StatusOr<PloraLinear> PloraLinear::LoadRow(const weights::WeightLoader& loader,
                                           const PloraSpec& spec,
                                           Range columns,
                                           const RankContext& context) {
  const RankContext of_pairs = OfPairs(context);
  const auto load_pair = [&](const std::string& name) -> StatusOr<Pair> {
    TRIPTYCH_ASSIGN_OR_RETURN(const LowRank low, FindLowRank(loader, spec.base, name));
    TRIPTYCH_ASSIGN_OR_RETURN(TpLinear a, TpLinear::LoadRow(loader, low.a, columns, of_pairs));
    TRIPTYCH_ASSIGN_OR_RETURN(TpLinear b, TpLinear::LoadReplicated(loader, low.b, of_pairs));
    return Pair{std::move(a), std::move(b), low.scale};
  };
  TRIPTYCH_ASSIGN_OR_RETURN(TpLinear base, TpLinear::LoadRow(loader, spec.base, columns, context));
  return Assemble(std::move(base), spec, context.communicator, load_pair);
}

at::Tensor PloraLinear::Forward(const at::Tensor& x, const LowRankRows& low_rank) const {
  at::Tensor y = base_.Forward(x);
  for (const AdapterRun& run : low_rank.adapters) {
    for (const Pair& pair : adapters_.at(run.adapter)) pair.AddTo(y, x, run.rows);
  }
  for (const RowRun& run : low_rank.images) plora_.AddTo(y, x, run);
  if (reduce_ != nullptr) reduce_->AllReduceSum(y);
  return y;
}

}  // namespace triptych::model::layers
