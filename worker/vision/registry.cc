#include "worker/vision/registry.h"

#include <array>
#include <string_view>

#include "common/json/json_config.h"
#include "common/text_file.h"
#include "worker/vision/llava_encoder.h"
#include "worker/vision/xcomposer2_encoder.h"
#include "worker/vision/xcomposer_encoder.h"

namespace triptych::vision {
namespace {

struct Family {
  std::string_view model_type;  // in config.json
  StatusOr<std::unique_ptr<VisionEncoder>> (*load)(const std::string&, const weights::WeightLoader&, at::Device, at::ScalarType);
};

constexpr std::array kFamilies = {
    Family{"InternLMXComposer", LoadXComposerEncoder},
    Family{"internlmxcomposer2", LoadXComposer2Encoder},
    Family{"llava", LoadLlavaEncoder},
};

}  // namespace

StatusOr<std::unique_ptr<VisionEncoder>> LoadVisionEncoder(const std::string& model_dir,
                                                           const weights::WeightLoader& loader,
                                                           at::Device device,
                                                           at::ScalarType dtype) {
  const std::string path = model_dir + "/config.json";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json object, ParseJsonObject(text, path));
  JsonConfig json(object, path);
  std::string model_type;
  json.Text("model_type", &model_type);
  TRIPTYCH_RETURN_IF_ERROR(json.status());
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.model_type == model_type) return family.load(model_dir, loader, device, dtype);
    known += fmt::format("{}{}", known.empty() ? "" : ", ", family.model_type);
  }
  return FailedPrecondition("{}: model_type: '{}' has no vision encoder; those that have one are {}", path, model_type, known);
}

}  // namespace triptych::vision
