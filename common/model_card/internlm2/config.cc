#include "common/model_card/internlm2/config.h"

#include "common/json/json_config.h"
#include "common/text_file.h"

namespace triptych::internlm2 {

StatusOr<DecoderConfig> ParseConfig(std::string_view text, std::string_view file_name) {
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json object, ParseJsonObject(text, file_name));
  JsonConfig json(object, std::string(file_name));
  DecoderConfig config;
  config.vocab_size = 103168;
  config.attention_bias = true;
  json.Flag("bias", &config.attention_bias);
  for (const char* key : {"attention_bias", "mlp_bias"}) json.Require(!json.Has(key), key, "it is no key of this family");
  ReadDecoderConfig(json, &config);
  TRIPTYCH_RETURN_IF_ERROR(json.status());
  return config;
}

StatusOr<DecoderConfig> LoadConfig(const std::string& model_dir) {
  const std::string path = model_dir + "/config.json";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  return ParseConfig(text, path);
}

}  // namespace triptych::internlm2
