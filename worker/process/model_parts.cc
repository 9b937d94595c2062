#include "worker/process/model_parts.h"

#include <utility>

#include "common/log/log.h"
#include "worker/kernels/cuda_devices.h"
#include "worker/process/dummy_shapes.h"
#include "worker/weights/dummy_loader.h"
#include "worker/weights/weights_digest.h"

namespace triptych::worker {

namespace {

Status CheckDevices(int wanted) {
  const int found = kernels::NumCudaDevices();
  if (found >= wanted) return OkStatus();
  return FailedPrecondition("device: {} CUDA devices are here, {} wanted; a build without CUDA sees none: build the preset 'cuda', or take 'cpu'",
                            found, wanted);
}

std::string Numerics(const ModelParts& parts, int tensor_parallel) {
  const quantization::Scheme& scheme = parts.quantization;
  const bool rounds = scheme.method == quantization::Method::kRound;  // what is stored is in the digest
  const std::string device = parts.device == at::kCPU ? "cpu" : "cuda-" + kernels::CudaArchitecture(0);
  return fmt::format("{}-{}{}-tp{}", device, parts.dtype == at::kFloat ? "f32" : "bf16", rounds ? fmt::format("-int{}", scheme.bits) : "",
                     tensor_parallel);
}

weights::CheckpointFormat FormatOf(const std::string& load_format) {
  if (load_format == "safetensors") return weights::CheckpointFormat::kSafetensors;
  if (load_format == "torch") return weights::CheckpointFormat::kTorch;
  return weights::CheckpointFormat::kAny;
}

// Makes the loader, and gives the digest of what it loads.
StatusOr<weights::WeightsDigest> OpenWeights(const WorkerConfig& config, ModelParts& parts) {
  if (config.load_format == "dummy") {
    spdlog::warn("load_format dummy: the weights are random numbers, the answers mean nothing");
    TRIPTYCH_ASSIGN_OR_RETURN(weights::ShapeMap shapes, DummyShapes(parts.facts.family, config.model));
    parts.loader = std::make_unique<weights::DummyLoader>(std::move(shapes));
    return weights::DigestDummyWeights(config.model);
  }
  const weights::CheckpointFormat format = FormatOf(config.load_format);
  TRIPTYCH_ASSIGN_OR_RETURN(parts.loader, weights::LoadCheckpoint(config.model, format));
  spdlog::info("reading the weights of {} for their digest", config.model);
  return weights::DigestWeights(config.model, format);
}

}  // namespace

at::ScalarType DtypeOf(const WorkerConfig& config) {
  return config.device == "cpu" || config.dtype == "float32" ? at::kFloat : at::kBFloat16;
}

StatusOr<ModelParts> OpenModel(const WorkerConfig& config) {
  ModelParts parts{.dir = config.model};
  if (config.device == "cuda") {
    TRIPTYCH_RETURN_IF_ERROR(CheckDevices(config.num_ranks));
    parts.device = at::kCUDA;
    parts.dtype = DtypeOf(config);
  }
  TRIPTYCH_ASSIGN_OR_RETURN(parts.card, LoadModelCard(config.model));
  TRIPTYCH_ASSIGN_OR_RETURN(parts.facts, model::DescribeModel(config.model, config.tensor_parallel, parts.dtype));
  TRIPTYCH_ASSIGN_OR_RETURN(parts.quantization, quantization::ParseWeights(config.weights));
  TRIPTYCH_ASSIGN_OR_RETURN(const quantization::Scheme chosen, quantization::ChooseScheme(config.model, parts.quantization));
  if (config.has_role("decoder")) spdlog::info("weights of the decoder's linear layers: {}", chosen.ToString());
  TRIPTYCH_ASSIGN_OR_RETURN(const weights::WeightsDigest digest, OpenWeights(config, parts));
  internal::v1::ModelIdentity& identity = parts.identity;
  identity.set_name(config.model_name);
  identity.set_family(parts.card->family());
  identity.set_card_digest(parts.card->digest().data(), parts.card->digest().size());
  identity.set_weights_digest(digest.data(), digest.size());
  identity.set_numerics(Numerics(parts, config.tensor_parallel));
  identity.set_context_tokens(parts.card->context_tokens());
  identity.set_hidden_size(parts.card->hidden_size());
  return parts;
}

}  // namespace triptych::worker
