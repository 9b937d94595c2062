#include "common/model_card/llama/config.h"

#include "common/json/json_config.h"
#include "common/text_file.h"

namespace triptych::llama {

StatusOr<DecoderConfig> ParseConfig(std::string_view text, std::string_view file_name) {
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json object, ParseJsonObject(text, file_name));
  JsonConfig json(object, std::string(file_name));
  DecoderConfig config;
  ReadDecoderConfig(json, &config);
  TRIPTYCH_RETURN_IF_ERROR(json.status());
  return config;
}

StatusOr<DecoderConfig> LoadConfig(const std::string& model_dir) {
  const std::string path = model_dir + "/config.json";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  return ParseConfig(text, path);
}

}  // namespace triptych::llama
