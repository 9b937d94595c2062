#include "worker/model/llava/decoder.h"

#include "common/model_card/llava/config.h"
#include "worker/model/layers/plain_decoder.h"
#include "worker/model/llama/decoder.h"

namespace triptych::model::llava {

using triptych::llava::Config;
using triptych::llava::LoadConfig;

StatusOr<ModelFacts> Describe(const std::string& model_dir,
                              int tensor_parallel,
                              at::ScalarType dtype) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Config config, LoadConfig(model_dir));
  return layers::DescribeDecoder(
      "llava", layers::SizesOf(config.text), config.text.context_tokens, tensor_parallel, dtype);
}

StatusOr<std::unique_ptr<ModelRunner>> MakeRunner(const std::string& model_dir,
                                                  const weights::WeightLoader& loader,
                                                  int64_t num_blocks,
                                                  const layers::RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Config config, LoadConfig(model_dir));
  return llama::LoadDecoder(loader,
                            config.text,
                            "language_model.",
                            /*foreign=*/{"vision_tower.", "multi_modal_projector."},
                            num_blocks,
                            context);
}

}  // namespace triptych::model::llava
