#include "common/tokenizer/tokenizer_config_json.h"

#include "common/json/json_config.h"

namespace triptych {
namespace {

// A token's spelling, or an object that has it as "content".
std::string ReadSpelling(JsonConfig& config, std::string_view key) {
  std::string spelling;
  const auto value = config.object().find(std::string(key));
  if (value == config.object().end() || !value->is_object()) {
    config.Text(key, &spelling);
    return spelling;
  }
  JsonConfig token(*value, config.file(), std::string(key) + ".");
  token.Text("content", &spelling);
  config.Take(token.status());
  return spelling;
}

}  // namespace

Status ApplyTokenizerConfig(std::string_view text, const std::string& file, TokenizerJson& tokenizer) {
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json object, ParseJsonObject(text, file));
  JsonConfig config(object, file);
  bool add_bos = false, add_eos = false;
  config.Flag("add_bos_token", &add_bos);
  config.Flag("add_eos_token", &add_eos);
  config.Require(!add_eos, "add_eos_token", "it is not supported");
  const std::string bos = ReadSpelling(config, "bos_token"), eos = ReadSpelling(config, "eos_token");
  if (config.Has("add_bos_token")) tokenizer.bos = add_bos ? tokenizer.IdOf(bos) : -1;
  config.Require(!add_bos || tokenizer.bos >= 0, "bos_token", fmt::format("'{}' is to be added, but is no token", bos));
  tokenizer.eos = tokenizer.IdOf(eos);
  config.Require(eos.empty() || tokenizer.eos >= 0, "eos_token", fmt::format("'{}' is no token", eos));
  return config.status();
}

}  // namespace triptych
