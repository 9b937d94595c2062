#include "worker/process/model_parts.h"

#include "common/log/log.h"
#include "worker/weights/weights_digest.h"

namespace triptych::worker {

StatusOr<ModelParts> OpenModel(const WorkerConfig& config) {
  ModelParts parts{.dir = config.model};
  if (config.device == "cuda") {
#ifdef TRIPTYCH_CUDA
    parts.device = at::kCUDA;
    parts.dtype = at::kBFloat16;
#else
    return FailedPrecondition("device: this build has no CUDA; build the preset 'cuda', or take 'cpu'");
#endif
  }
  TRIPTYCH_ASSIGN_OR_RETURN(parts.card, LoadModelCard(config.model));
  TRIPTYCH_ASSIGN_OR_RETURN(parts.facts, model::DescribeModel(config.model, config.tensor_parallel, parts.dtype));
  TRIPTYCH_ASSIGN_OR_RETURN(parts.loader, weights::LoadCheckpoint(config.model));
  spdlog::info("reading the weights of {} for their digest", config.model);
  TRIPTYCH_ASSIGN_OR_RETURN(const weights::WeightsDigest digest, weights::DigestWeights(config.model));
  internal::v1::ModelIdentity& identity = parts.identity;
  identity.set_name(config.model_name);
  identity.set_family(parts.card->family());
  identity.set_card_digest(parts.card->digest().data(), parts.card->digest().size());
  identity.set_weights_digest(digest.data(), digest.size());
  identity.set_numerics(fmt::format("{}-{}-tp{}", config.device, parts.dtype == at::kFloat ? "f32" : "bf16", config.tensor_parallel));
  identity.set_context_tokens(parts.card->context_tokens());
  identity.set_hidden_size(parts.card->hidden_size());
  return parts;
}

}  // namespace triptych::worker
