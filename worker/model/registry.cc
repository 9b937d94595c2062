#include "worker/model/registry.h"

#include <array>
#include <string_view>

#include "common/json/json_config.h"
#include "common/text_file.h"
#include "worker/model/internlm2/decoder.h"
#include "worker/model/internlm_xcomposer/decoder.h"
#include "worker/model/internlm_xcomposer2/decoder.h"
#include "worker/model/llama/decoder.h"
#include "worker/model/llava/decoder.h"
#include "worker/quantization/plain_names.h"
#include "worker/quantization/scheme.h"

namespace triptych::model {
namespace {

struct Family {
  std::string_view model_type;  // in config.json
  StatusOr<ModelFacts> (*describe)(const std::string&, int, at::ScalarType);
  StatusOr<std::unique_ptr<ModelRunner>> (*make)(const std::string&,
                                                 const weights::WeightLoader&,
                                                 int64_t,
                                                 const layers::RankContext&);
};

constexpr std::array kFamilies = {
    Family{"InternLMXComposer", internlm_xcomposer::Describe, internlm_xcomposer::MakeRunner},
    Family{"internlmxcomposer2", internlm_xcomposer2::Describe, internlm_xcomposer2::MakeRunner},
    Family{"internlm2", internlm2::Describe, internlm2::MakeRunner},
    Family{"llama", llama::Describe, llama::MakeRunner},
    Family{"llava", llava::Describe, llava::MakeRunner},
};

StatusOr<const Family*> FindFamily(const std::string& model_dir) {
  const std::string path = model_dir + "/config.json";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json config, ParseJsonObject(text, path));
  if (!config.contains("model_type") || !config["model_type"].is_string()) {
    return FailedPrecondition("{}: has no string 'model_type'", path);
  }
  const std::string model_type = config["model_type"];
  for (const Family& family : kFamilies) {
    if (family.model_type == model_type) return &family;
  }
  return FailedPrecondition("{}: model_type '{}' is not served", path, model_type);
}

}  // namespace

StatusOr<ModelFacts> DescribeModel(const std::string& model_dir,
                                   int tensor_parallel,
                                   at::ScalarType dtype) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Family* family, FindFamily(model_dir));
  return family->describe(model_dir, tensor_parallel, dtype);
}

StatusOr<std::unique_ptr<ModelRunner>> MakeModelRunner(const std::string& model_dir,
                                                       const weights::WeightLoader& loader,
                                                       int64_t num_blocks,
                                                       const layers::RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Family* family, FindFamily(model_dir));
  layers::RankContext chosen = context;
  TRIPTYCH_ASSIGN_OR_RETURN(chosen.quantization,
                            quantization::ChooseScheme(model_dir, context.quantization));
  if (chosen.quantization.is_stored()) {
    TRIPTYCH_ASSIGN_OR_RETURN(const auto plain,
                              quantization::PlainNames::Over(&loader, chosen.quantization));
    return family->make(model_dir, *plain, num_blocks, chosen);
  }
  if (const std::string tensor = quantization::FindQuantizedTensor(loader); !tensor.empty()) {
    return FailedPrecondition(
        "{}: tensor '{}' is quantised, but neither config.json has a quantization_config nor is "
        "there a quantize_config.json",
        model_dir,
        tensor);
  }
  return family->make(model_dir, loader, num_blocks, chosen);
}

}  // namespace triptych::model
