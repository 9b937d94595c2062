#include <array>

#include "common/json/json_config.h"
#include "common/model_card/internlm2/card.h"
#include "common/model_card/internlm_xcomposer/card.h"
#include "common/model_card/internlm_xcomposer2/card.h"
#include "common/model_card/llama/card.h"
#include "common/model_card/llava/card.h"
#include "common/model_card/model_card.h"
#include "common/text_file.h"

namespace triptych {
namespace {

struct Family {
  std::string_view model_type;  // in config.json
  StatusOr<std::unique_ptr<ModelCard>> (*load)(const std::string& model_dir);
};

constexpr std::array kFamilies = {
    Family{"InternLMXComposer", internlm_xcomposer::LoadCard},
    Family{"internlmxcomposer2", internlm_xcomposer2::LoadCard},
    Family{"internlm2", internlm2::LoadCard},
    Family{"llama", llama::LoadCard},
    Family{"llava", llava::LoadCard},
};

}  // namespace

StatusOr<std::unique_ptr<ModelCard>> LoadModelCard(const std::string& model_dir) {
  const std::string path = model_dir + "/config.json";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json config, ParseJsonObject(text, path));
  const auto type = config.find("model_type");
  if (type == config.end() || !type->is_string()) return FailedPrecondition("{}: model_type: it is missing or not a text", path);
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.model_type == type->get<std::string>()) return family.load(model_dir);
    known += std::string(known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  return FailedPrecondition("{}: model_type: '{}' is not served; known are {}", path, type->get<std::string>(), known);
}

}  // namespace triptych
