#include "worker/quantization/scheme.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "common/json/json_config.h"
#include "common/text_file.h"

namespace triptych::quantization {
namespace {

constexpr std::string_view kKey = "quantization_config";

std::string LowerText(JsonConfig& json, std::string_view key, std::string text) {
  json.Text(key, &text);
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

void ReadSizes(JsonConfig& json, Scheme& scheme) {
  int32_t bits = 0, group_size = 0;
  json.Require(json.Has("bits"), "bits", "it is missing");
  json.Integer("bits", &bits, 1, 32);
  const bool is_gptq = scheme.method == Method::kGptq;
  json.Require(bits == 4 || (is_gptq && bits == 8),
               "bits",
               fmt::format("{} is not supported; allowed is {}", bits, is_gptq ? "4 or 8" : "4"));
  json.Require(json.Has("group_size"), "group_size", "it is missing");
  json.Integer("group_size", &group_size, -1, 1 << 20);
  json.Require(group_size != 0,
               "group_size",
               "0 is not supported; allowed are -1 (all inputs) and 1 upwards");
  scheme.bits = bits;
  scheme.group_size = std::max(group_size, 0);
}

void ReadGptq(JsonConfig& json, Scheme& scheme) {
  const std::string format = LowerText(json, "checkpoint_format", "gptq");
  json.Require(format == "gptq" || format == "gptq_v2",
               "checkpoint_format",
               fmt::format("'{}' is not supported; allowed is gptq or gptq_v2", format));
  for (const char* key : {"is_marlin_format", "use_bitblas"}) {
    bool other_layout = false;
    json.Flag(key, &other_layout);
    json.Require(!other_layout, key, "this layout is not supported; allowed is false");
  }
  scheme.zeros_less_one = format == "gptq";
}

void ReadAwq(JsonConfig& json) {
  const std::string version = LowerText(json, "version", "gemm");
  json.Require(version == "gemm",
               "version",
               fmt::format("'{}' is not supported; allowed is gemm", version));
  bool zero_point = true;
  json.Flag("zero_point", &zero_point);
  json.Require(zero_point, "zero_point", "false is not supported; allowed is true");
}

StatusOr<Scheme> ParseScheme(JsonConfig& json, std::string method) {
  method = LowerText(json, "quant_method", std::move(method));
  json.Require(method == "gptq" || method == "awq",
               "quant_method",
               fmt::format("'{}' is not supported; allowed is gptq or awq", method));
  Scheme scheme{.method = method == "awq" ? Method::kAwq : Method::kGptq};
  ReadSizes(json, scheme);
  if (scheme.method == Method::kGptq) {
    ReadGptq(json, scheme);
  } else {
    ReadAwq(json);
  }
  TRIPTYCH_RETURN_IF_ERROR(json.status());
  return scheme;
}

}  // namespace

std::string Scheme::ToString() const {
  if (method == Method::kNone) return "as stored, in floating point";
  const char* name = method == Method::kGptq ? "gptq" : method == Method::kAwq ? "awq" : "rounded";
  return fmt::format("{}, {} bits, groups of {}",
                     name,
                     bits,
                     group_size == 0 ? "all inputs" : std::to_string(group_size));
}

StatusOr<Scheme> ParseWeights(std::string_view weights) {
  if (weights == "stored") return Scheme();
  if (weights == "int8" || weights == "int4") {
    return Scheme{
        .method = Method::kRound, .bits = weights == "int8" ? 8 : 4, .group_size = kRoundGroup};
  }
  return FailedPrecondition("weights: '{}' is not one of stored, int8, int4", weights);
}

StatusOr<Scheme> ReadScheme(const std::string& model_dir) {
  const std::string path = model_dir + "/config.json";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json config, ParseJsonObject(text, path));
  JsonConfig outer(config, path);
  if (outer.Has(kKey)) {
    const nlohmann::json* object = outer.Object(kKey);
    TRIPTYCH_RETURN_IF_ERROR(outer.status());
    JsonConfig inner(*object, path, fmt::format("{}.", kKey));
    inner.Require(
        inner.Has("quant_method"), "quant_method", "it is missing; allowed is gptq or awq");
    return ParseScheme(inner, /*method=*/"");
  }
  const std::string beside = model_dir + "/quantize_config.json";
  if (!std::filesystem::exists(beside)) return Scheme();
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string beside_text, ReadTextFile(beside));
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json object, ParseJsonObject(beside_text, beside));
  JsonConfig json(object, beside);
  return ParseScheme(json, /*method=*/"gptq");
}

StatusOr<Scheme> ChooseScheme(const std::string& model_dir, const Scheme& wanted) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Scheme stored, ReadScheme(model_dir));
  if (stored.method == Method::kNone) return wanted;
  if (wanted.method == Method::kNone) return stored;
  return FailedPrecondition(
      "weights: int{}: the checkpoint in {} is quantised already ({}); allowed is stored",
      wanted.bits,
      model_dir,
      stored.ToString());
}

}  // namespace triptych::quantization
