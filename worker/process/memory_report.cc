#include "worker/process/memory_report.h"

#include <memory>
#include <utility>

#include "worker/comm/local.h"
#include "worker/kernels/memory_meter.h"
#include "worker/model/registry.h"
#include "worker/process/dummy_shapes.h"
#include "worker/process/model_parts.h"
#include "worker/quantization/scheme.h"
#include "worker/vision/registry.h"
#include "worker/weights/dummy_loader.h"

namespace triptych::worker {
namespace {

// What a process loads from, and where to. On the CPU tensors without data stay as they are but for
// their packing; the meta device stands for CUDA's.
struct Source {
  std::string dir;
  weights::DummyLoader loader;
  quantization::Scheme quantization;
  at::Device device;
  at::ScalarType dtype;
};

StatusOr<MemoryReport::Rank> MeasureRank(const Source& source,
                                         comm::Communicator* communicator,
                                         int32_t kv_blocks) {
  const kernels::MemoryMeter meter;
  TRIPTYCH_ASSIGN_OR_RETURN(
      const std::unique_ptr<model::ModelRunner> runner,
      model::MakeModelRunner(source.dir, source.loader, /*num_blocks=*/1,
                             {.communicator = communicator,
                              .device = source.device,
                              .dtype = source.dtype,
                              .quantization = source.quantization}));
  return MemoryReport::Rank{.rank = communicator->rank(),
                            .weight_bytes = meter.weight_bytes(),
                            .kv_bytes = meter.kv_bytes() * kv_blocks};
}

StatusOr<int64_t> MeasureEncoder(const Source& source) {
  const kernels::MemoryMeter meter;
  TRIPTYCH_ASSIGN_OR_RETURN(
      const std::unique_ptr<vision::VisionEncoder> encoder,
      vision::LoadVisionEncoder(source.dir, source.loader, source.device, source.dtype));
  return meter.weight_bytes();
}

}  // namespace

StatusOr<MemoryReport> MeasureMemory(const WorkerConfig& config) {
  kernels::MemoryMeter::CountMetaTensors();
  const at::ScalarType dtype = DtypeOf(config);
  TRIPTYCH_ASSIGN_OR_RETURN(const model::ModelFacts facts,
                            model::DescribeModel(config.model, config.tensor_parallel, dtype));
  TRIPTYCH_ASSIGN_OR_RETURN(weights::ShapeMap shapes, DummyShapes(facts.family, config.model));
  TRIPTYCH_ASSIGN_OR_RETURN(const quantization::Scheme wanted,
                            quantization::ParseWeights(config.weights));
  const Source source{.dir = config.model,
                      .loader = weights::DummyLoader(std::move(shapes),
                                                     weights::DummyLoader::Content::kNone),
                      .quantization = wanted,
                      .device = config.device == "cpu" ? at::kCPU : at::kMeta,
                      .dtype = dtype};
  MemoryReport report;
  if (config.has_role("decoder")) {
    const auto communicators = comm::MakeLocalGroup(config.tensor_parallel);
    for (int32_t i = 0; i < config.num_ranks; ++i) {
      TRIPTYCH_ASSIGN_OR_RETURN(
          const MemoryReport::Rank rank,
          MeasureRank(source, communicators[config.first_rank + i].get(), config.kv_blocks));
      report.ranks.push_back(rank);
    }
  }
  if (config.has_role("encoder")) {
    TRIPTYCH_ASSIGN_OR_RETURN(report.encoder_bytes, MeasureEncoder(source));
  }
  return report;
}

StatusOr<std::string> DescribeMemory(const WorkerConfig& config) {
  TRIPTYCH_ASSIGN_OR_RETURN(const MemoryReport report, MeasureMemory(config));
  std::string lines;
  for (const MemoryReport::Rank& rank : report.ranks) {
    lines += fmt::format("rank {} of {}: {} bytes of weights, {} bytes of keys and values\n",
                         rank.rank, config.tensor_parallel, rank.weight_bytes, rank.kv_bytes);
  }
  if (report.encoder_bytes) {
    lines += fmt::format("vision encoder: {} bytes of weights\n", *report.encoder_bytes);
  }
  return lines;
}

}  // namespace triptych::worker
