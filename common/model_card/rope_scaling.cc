#include "common/model_card/rope_scaling.h"

#include <string>

namespace triptych {
namespace {

using Kind = RopeScaling::Kind;

void ReadKind(JsonConfig& json, RopeScaling& scaling) {
  const char* key = json.Has("rope_type") ? "rope_type" : "type";
  std::string kind = "default";
  json.Text(key, &kind);
  if (kind == "linear") scaling.kind = Kind::kLinear;
  if (kind == "dynamic") scaling.kind = Kind::kDynamic;
  if (kind == "llama3") scaling.kind = Kind::kLlama3;
  json.Require(kind == "default" || scaling.kind != Kind::kNone, key,
               fmt::format("'{}' is not supported; allowed are default, linear, dynamic and llama3", kind));
  if (scaling.kind == Kind::kNone) return;
  json.Require(json.Has("factor"), "factor", "it is missing");
  json.Number("factor", &scaling.factor, 1, 1e6);
  if (scaling.kind != Kind::kLlama3) return;
  json.Number("low_freq_factor", &scaling.low_freq_factor, 1e-6, 1e6);
  json.Number("high_freq_factor", &scaling.high_freq_factor, 1e-6, 1e6);
  json.Require(scaling.high_freq_factor > scaling.low_freq_factor, "high_freq_factor", "it is not more than low_freq_factor");
  json.Integer("original_max_position_embeddings", &scaling.trained_tokens, 1, 1 << 24);
}

}  // namespace

void ReadRopeScaling(JsonConfig& json, RopeScaling* scaling, double* theta) {
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!json.Has(key)) continue;
    const nlohmann::json& object = json.object()[key];
    json.Require(object.is_object(), key, "it is not an object");
    if (!object.is_object()) return;
    JsonConfig inner(object, json.file(), json.prefix() + key + ".");
    inner.Number("rope_theta", theta, 1, 1e12);
    ReadKind(inner, *scaling);
    json.Take(inner.status());
  }
}

}  // namespace triptych
